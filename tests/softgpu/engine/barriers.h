// Barriers of a block (bar, barrier.cta), of a cluster (barrier.cluster), and the workspace that
// cooperative_groups' grid barrier counts in. Each completed barrier orders memory.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/clock.h"
#include "engine/site.h"

namespace softgpu {

struct Thread;

// One of the sixteen barriers of a block.
struct BlockBarrier {
  uint32_t expected = 0;  // the thread count its arrivals name, or 0: the whole block
  std::vector<Thread*> waiting;
  std::vector<Thread*> arrived;  // without waiting,
  Clock released;                // and what these had done then
  uint32_t lacking = 0;          // lanes that the last warp lacks, which count with its last lane
  Thread* first = nullptr;
  Site first_at{};
  bool aligned = false;          // some arrival was: then all come from one place
  uint32_t predicates = 0;       // how many arrivals of a reduction were true
  uint32_t last_size = 0;        // of the completed barrier: arrivals,
  uint32_t last_predicates = 0;  // and how many were true
};

struct ClusterBarrier {
  uint64_t phase = 0;
  uint32_t arrived = 0;
  std::vector<Thread*> waiting;
  Clock releasing;  // what arrivals of this phase published
  Clock completed;  // ... of all phases before
};

// bar.{sync, arrive, red}: `threads` is the operand, 0 if there is none. `aligned` for the forms
// that all threads of a warp execute together (bar, barrier.aligned): __syncthreads is one.
void block_sync(Thread& self, uint32_t id, uint32_t threads, bool aligned, Site at);
void block_arrive(Thread& self, uint32_t id, uint32_t threads, bool aligned, Site at);
bool block_sync_or(Thread& self, uint32_t id, uint32_t threads, bool aligned, bool predicate,
                   Site at);
bool block_sync_and(Thread& self, uint32_t id, uint32_t threads, bool aligned, bool predicate,
                    Site at);
uint32_t block_sync_count(Thread& self, uint32_t id, uint32_t threads, bool aligned, bool predicate,
                          Site at);

// barrier.cluster.{arrive, wait}. `orders_memory`: false for arrive.relaxed.
void cluster_arrive(Thread& self, bool orders_memory, Site at);
void cluster_wait(Thread& self, Site at);

// %envreg1 (high half) and %envreg2 (low half) hold the address of the grid barrier's workspace;
// 0 in a launch that is not cooperative.
uint64_t grid_workspace(Thread& self);

// For the scheduler: completes what waited for a thread that has exited.
void leave_barriers(Thread& exited);

}  // namespace softgpu
