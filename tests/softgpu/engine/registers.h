// Special registers that are not a plain field of Thread or Block, and instructions that concern
// only the thread itself.
#pragma once

#include <cstdint>

#include "engine/kernel.h"
#include "engine/site.h"

namespace softgpu {

struct Thread;

Dim3 thread_index(Thread& self);              // %tid
Dim3 block_shape(Thread& self);               // %ntid
Dim3 block_index(Thread& self);               // %ctaid
Dim3 grid_shape(Thread& self);                // %nctaid
Dim3 cluster_index(Thread& self);             // %clusterid
Dim3 cluster_count(Thread& self);             // %nclusterid
Dim3 cluster_block_index(Thread& self);       // %cluster_ctaid
Dim3 cluster_shape(Thread& self);             // %cluster_nctaid
uint32_t cluster_block_rank(Thread& self);    // %cluster_ctarank
uint32_t cluster_block_count(Thread& self);   // %cluster_nctarank
uint32_t lane_index(Thread& self);            // %laneid
uint32_t warp_index(Thread& self);            // %warpid
uint32_t warp_count(Thread& self);            // %nwarpid
uint32_t multiprocessor(Thread& self);        // %smid
uint32_t dynamic_shared_bytes(Thread& self);  // %dynamic_smem_size
uint32_t total_shared_bytes(Thread& self);    // %total_smem_size
uint64_t clock_register(Thread& self);        // %clock64, %globaltimer: it only ever grows

// trap, brkpt, a failed assert: ends the launch.
[[noreturn]] void trap(Thread& self, const char* what, Site at);
// nanosleep: others go first.
void nanosleep(Thread& self, Site at);

}  // namespace softgpu
