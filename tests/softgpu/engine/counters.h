// What kernels moved, counted while settings.count is set.
#pragma once

#include <cstdint>

#include "engine/kernel.h"
#include "engine/memory.h"
#include "engine/site.h"

namespace softgpu {

// Sums over the launches of a kernel. Atomics count as a load and a store. An async copy's bytes
// count where it reads and where it writes.
struct Counts {
  uint64_t launches = 0;
  uint64_t global_bytes_loaded = 0;
  uint64_t global_bytes_stored = 0;
  uint64_t shared_bytes_loaded = 0;
  uint64_t shared_bytes_stored = 0;
  // 32-byte sectors of global memory that a launch touched, each once: what DRAM has to move.
  uint64_t sectors_loaded = 0;
  uint64_t sectors_stored = 0;
  // Sectors that instructions asked for: of the lanes of a warp at one instruction, each once.
  uint64_t sectors_load_requests = 0;
  uint64_t sectors_store_requests = 0;
  // Shared memory cycles beyond the first of each warp instruction.
  uint64_t bank_conflicts = 0;
};

void count_launch_begin(const Kernel& kernel);
void count_launch_end();
void count_block_end(Block& block);
void count_access(Thread& self, const char* memory, uint32_t bytes, Use use, Space space, Site at);

}  // namespace softgpu
