// The race checker: happens-before by vector clocks on what CUDA says orders memory, whatever the
// schedule was. Barriers, __syncwarp, mbarriers, fences with atomics, and the completion of
// asynchronous copies order memory; shuffles and votes do not.
//
// Everything here does nothing unless settings.race is set.
#pragma once

#include <cstdint>

#include "engine/clock.h"
#include "engine/memory.h"
#include "engine/site.h"

namespace softgpu {

struct Thread;
struct Block;

// What the race checker knows of a thread; clocks by scope for its block, cluster and device.
struct RaceState {
  uint32_t time = 1;           // its own
  Clock clock;                 // what it has seen of the others
  Clock released_by_fence[3];  // what its last fences published
  Clock pending_acquire[3];    // what its relaxed reads saw, until a fence takes it over
};

namespace race {

// A launch starts with everything before it ordered; a block with its shared memory untouched.
void begin_launch();
void begin_block(Block& block);

// An access by a thread: reports a race with an unordered earlier one, with an asynchronous write
// that has not been waited for, or of a write with an asynchronous read.
void access(Thread& self, const char* memory, uint32_t bytes, Use use, Access how, Site at);

// A barrier among these threads: each has then seen what all had, and what others had published.
void join(Thread* const* threads, int count, const Clock& published = {});

// self publishes what it has seen, and later threads take it over: mbarrier arrive and wait.
void release(Thread& self, Clock& into);
void acquire(Thread& self, const Clock& from);

// fence.{acq_rel,sc} and membar: with relaxed atomics they order memory.
void fence(Thread& self, Scope scope);

// [memory, memory + bytes) is being written asynchronously for `issuer`, until it has landed and
// been waited for.
void begin_async_write(Thread& issuer, char* memory, uint32_t bytes, Site at);
// ... waited for by a thread itself (cp.async): it has then written it.
void end_async_write(Thread& waiter, char* memory, uint32_t bytes);
// ... completed on an mbarrier (TMA): whoever acquires `published` has then seen it.
void end_async_write(Clock& published, char* memory, uint32_t bytes);

// The same for an asynchronous read (wgmma operands, TMA stores).
void begin_async_read(Thread& issuer, const char* memory, uint32_t bytes, Site at);
void end_async_read(Thread& waiter, const char* memory, uint32_t bytes, Site at);

// fence.proxy.async: the async proxy sees what this thread wrote, and knew of, before.
void proxy_fence(Thread& self);
// Before the async proxy (wgmma, TMA) reads: an ordinary store that no proxy fence followed.
void check_proxy(Thread& self, const char* memory, uint32_t bytes, const char* reader, Site at);

}  // namespace race
}  // namespace softgpu
