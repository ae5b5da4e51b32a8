// cp.async: a thread's own copies from global to shared memory, in commit groups.
//
// From issue to landing the destination holds garbage. A copy lands at its issue or in the wait
// for its group, as settings.landing says.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "engine/site.h"

namespace softgpu {

struct Thread;
struct Block;

struct CopyToShared {
  char* to;
  const char* from;
  uint32_t bytes;
  uint32_t from_bytes;  // the rest becomes zero
  bool landed;
};

// Copies that one commit or one cp.async.mbarrier.arrive closed. `done` once they were waited for.
struct CopyBatch {
  std::vector<CopyToShared> copies;
  bool done = false;
};

using CopyGroup = std::vector<std::shared_ptr<CopyBatch>>;

// A cp.async.mbarrier.arrive whose copies may still be on their way.
struct DeferredArrival;

// A bulk or tensor copy out of shared memory.
struct BulkWrite;
using BulkGroup = std::vector<std::shared_ptr<BulkWrite>>;

// Which phase of which mbarrier a thread last found complete, to tell a spin from progress.
struct LastWait {
  const void* barrier = nullptr;
  uint64_t phase = 0;
  uint32_t repeats = 0;
};

// What a thread has started and not yet waited for.
struct AsyncCopies {
  CopyGroup open;
  std::deque<CopyGroup> groups;
  std::vector<std::shared_ptr<DeferredArrival>> arrivals;
  BulkGroup bulk_open;
  std::deque<BulkGroup> bulk_groups;
  LastWait last_wait;
};

// cp.async.{ca,cg}.shared.global [shared], [global], bytes, from_bytes. Without from_bytes in the
// instruction, or with ignore-src false, pass from_bytes = bytes; with ignore-src true, 0.
// `shared` may be a shared::cta address only; bytes is 4, 8 or 16 (.cg: 16).
void cp_async(Thread& self, uint32_t shared, uint64_t global, uint32_t bytes, uint32_t from_bytes,
              Site at);
void cp_async_commit_group(Thread& self, Site at);
void cp_async_wait_group(Thread& self, uint32_t groups_left, Site at);
void cp_async_wait_all(Thread& self, Site at);
// cp.async.mbarrier.arrive{.noinc}.shared.b64: arrives when all copies so far have landed.
void cp_async_mbarrier_arrive(Thread& self, uint32_t mbarrier, bool no_increment, Site at);

// For the scheduler, when a thread exits: arrivals and bulk writes that are under way finish. A
// bulk copy whose reading of shared memory was not waited for is an error: nobody can do so any
// more. So is a wgmma in flight.
void finish_async_copies(Thread& self);
// For the scheduler, when the last thread of a block exits: a bulk copy that still writes into the
// block's shared memory is an error.
void check_copies_into(const Block& block, Site at);

}  // namespace softgpu
