// mbarrier objects: phases that end when the pending arrivals and the pending bytes are both 0.
//
// The state is kept beside shared memory; the 8 bytes hold a seal, so that overwriting them, or
// using memory that holds no mbarrier, is an error. Addresses are shared memory addresses as in
// memory.h: shared::cta, or shared::cluster where the instruction allows it.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/memory.h"
#include "engine/race.h"
#include "engine/site.h"

namespace softgpu {

struct Thread;
struct Block;

struct MBarrier {
  uint32_t expected = 0;  // arrivals a phase
  uint32_t pending = 0;   // arrivals this phase still needs
  int64_t pending_bytes = 0;
  uint64_t phase = 0;
  bool visible_to_async = false;  // a fence followed mbarrier.init
  std::vector<Thread*> waiters;
  Clock arriving;   // what arrivals of this phase published
  Clock completed;  // ... of all phases before
};

struct ArriveForm {
  bool relaxed = false;      // .relaxed: orders no memory
  bool no_complete = false;  // .noComplete: must not end the phase
  bool drop = false;         // arrive_drop
};

void mbarrier_init(Thread& self, uint32_t address, uint32_t count, Site at);
void mbarrier_inval(Thread& self, uint32_t address, Site at);

// Each returns the state before the arrival (a token); for a remote mbarrier it means nothing.
uint64_t mbarrier_arrive(Thread& self, ArriveForm form, uint32_t address, uint32_t count, Site at);
uint64_t mbarrier_arrive_expect_tx(Thread& self, ArriveForm form, uint32_t address, uint32_t bytes,
                                   Site at);
void mbarrier_expect_tx(Thread& self, uint32_t address, uint32_t bytes, Site at);
void mbarrier_complete_tx(Thread& self, uint32_t address, uint32_t bytes, Site at);

// Waits by token or by parity. try_wait blocks, but sometimes gives up early, as the hardware may;
// a suspend-time hint changes nothing. `relaxed` waits order no memory.
bool mbarrier_test_wait(Thread& self, bool relaxed, uint32_t address, uint64_t token, Site at);
bool mbarrier_test_wait_parity(Thread& self, bool relaxed, uint32_t address, uint32_t parity,
                               Site at);
bool mbarrier_try_wait(Thread& self, bool relaxed, uint32_t address, uint64_t token, Site at);
bool mbarrier_try_wait_parity(Thread& self, bool relaxed, uint32_t address, uint32_t parity,
                              Site at);
uint32_t mbarrier_pending_count(Thread& self, uint64_t token, Site at);

// fence.mbarrier_init.release.cluster
void fence_mbarrier_init(Thread& self, Site at);

// For the engines that copy: an mbarrier as they keep it while a copy is in flight.
struct MBarrierPlace {
  Block* block = nullptr;
  uint32_t offset = 0;
};
// The mbarrier at an address; fails if there is none.
MBarrierPlace find_mbarrier(Thread& self, uint32_t address, const char* instruction, Site at);
// The mbarrier a bulk copy will complete on; fails unless it is one that the async proxy can see.
MBarrierPlace mbarrier_for_copy(Thread& self, uint32_t address, const char* copy, Site at);
MBarrier& mbarrier_at(MBarrierPlace place, const char* instruction, Site at);
void complete_bytes(MBarrierPlace place, uint32_t bytes, Site at);
void arrive_for_copies(MBarrierPlace place, Site at);
void add_pending(MBarrierPlace place, Site at);
// The mbarriers of the thread's block are from now on visible to the async proxy.
void publish_mbarriers(Thread& self);

}  // namespace softgpu
