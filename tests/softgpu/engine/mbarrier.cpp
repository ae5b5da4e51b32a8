#include "engine/mbarrier.h"

#include <cstring>
#include <utility>

#include "engine/settings.h"
#include "engine/thread.h"

namespace softgpu {
namespace {

constexpr uint32_t kMaxCount = (1u << 20) - 1;  // of arrivals, and of bytes either way
constexpr uint32_t kOffsetMask = (1u << 24) - 1;
constexpr uint64_t kTokenMark = 0x5dull << 56;

// What the 8 bytes of a live mbarrier hold; depends on the place, so that a copy is none.
uint64_t seal(uint32_t offset) { return 0x9e3779b97f4a7c15ull * (offset + 1); }

uint64_t stored(const char* memory) {
  uint64_t value;
  std::memcpy(&value, memory, sizeof value);
  return value;
}

Block& block_at(Thread& self, uint32_t address) {
  const uint32_t rank = address >> 24;
  return rank == 0 ? *self.block : *self.block->cluster->blocks[rank - 1];
}

char* touch(Thread& self, uint32_t address, Use use, Site at) {
  return reach(self, {Space::kShared}, address, sizeof(uint64_t), alignof(uint64_t), use, at);
}

MBarrier& find(Thread& self, uint32_t address, const char* instruction, Site at) {
  touch(self, address, Use::kRead, at);
  return mbarrier_at({&block_at(self, address), address & kOffsetMask}, instruction, at);
}

void end_phase_if_done(MBarrier& barrier) {
  if (barrier.pending != 0 || barrier.pending_bytes != 0) return;
  ++barrier.phase;
  barrier.pending = barrier.expected;
  barrier.completed = barrier.arriving;
  progress();
  for (Thread* waiter : std::exchange(barrier.waiters, {})) wake(*waiter);
}

void add_bytes(MBarrier& barrier, int64_t bytes, const char* instruction, Site at) {
  barrier.pending_bytes += bytes;
  if (barrier.pending_bytes > kMaxCount || barrier.pending_bytes < -int64_t{kMaxCount}) {
    fail(at, "%s: the tx-count leaves its range; it would be %lld", instruction,
         static_cast<long long>(barrier.pending_bytes));
  }
}

uint64_t token_of(const MBarrier& barrier) {
  return kTokenMark | (barrier.phase & 0xfffffffff) << 20 | barrier.pending;
}

void arrive(Thread& self, ArriveForm form, MBarrier& barrier, uint32_t count, const char* name,
            Site at) {
  if (count == 0 || count > kMaxCount) fail(at, "%s: bad count %u", name, count);
  if (count > barrier.pending) {
    fail(at, "%s: %u arrivals, but the phase waits for %u of %u only", name, count, barrier.pending,
         barrier.expected);
  }
  if (!form.relaxed) race::release(self, barrier.arriving);
  barrier.pending -= count;
  if (form.drop) barrier.expected -= count;
  if (form.no_complete && barrier.pending == 0 && barrier.pending_bytes == 0) {
    fail(at, "%s.noComplete completes the phase", name);
  }
  end_phase_if_done(barrier);
}

// Lets others run when a thread finds the same phase complete again and again: a loop that waits
// for the opposite would otherwise never end.
void notice_repeat(Thread& self, const MBarrier& barrier, const char* instruction, Site at) {
  LastWait& last = self.async_copies.last_wait;
  const bool same = last.barrier == &barrier && last.phase == barrier.phase;
  last = {&barrier, barrier.phase, same ? last.repeats + 1 : 0};
  if (last.repeats > 1) yield(instruction, at);
}

bool gives_up_early() { return settings.schedule != Schedule::kFirstIn && random_word() % 4 == 0; }

// `complete(barrier)` says whether the phase waited for is over.
template <class Complete>
bool wait(Thread& self, bool relaxed, bool blocks, uint32_t address, Complete complete,
          const char* instruction, Site at) {
  for (;;) {
    MBarrier& barrier = find(self, address, instruction, at);
    if (complete(barrier)) {
      if (!relaxed) race::acquire(self, barrier.completed);
      notice_repeat(self, barrier, instruction, at);
      return true;
    }
    if (!blocks || gives_up_early()) {
      yield(instruction, at);
      return false;
    }
    barrier.waiters.push_back(&self);
    block_on(instruction, at);
  }
}

auto phase_of_token(uint64_t token, const char* instruction, Site at) {
  if (token >> 56 != kTokenMark >> 56) fail(at, "%s: the state is not a token", instruction);
  const uint64_t phase = token >> 20 & 0xfffffffff;
  return [phase, instruction, at](const MBarrier& barrier) {
    if (barrier.phase - phase > 1) {
      fail(at,
           "%s: the token is %llu phases old; only the current and the last phase can be tested",
           instruction, static_cast<unsigned long long>(barrier.phase - phase));
    }
    return barrier.phase != phase;
  };
}

auto phase_of_parity(uint32_t parity, const char* instruction, Site at) {
  if (parity > 1) fail(at, "%s.parity: the parity must be 0 or 1; got %u", instruction, parity);
  return [parity](const MBarrier& barrier) { return (barrier.phase & 1) != parity; };
}

}  // namespace

void mbarrier_init(Thread& self, uint32_t address, uint32_t count, Site at) {
  if (count == 0 || count > kMaxCount) {
    fail(at, "mbarrier.init: the count must be in 1 .. %u; got %u", kMaxCount, count);
  }
  if (address >> 24 != 0) fail(at, "mbarrier.init: the mbarrier must be in the thread's own block");
  char* memory = touch(self, address, Use::kWrite, at);
  auto& barriers = self.block->mbarriers;
  if (barriers.count(address) != 0 && stored(memory) == seal(address)) {
    fail(at, "mbarrier.init: there is a live mbarrier at %#x; mbarrier.inval it first", address);
  }
  MBarrier barrier;
  barrier.expected = barrier.pending = count;
  barriers[address] = std::move(barrier);
  const uint64_t value = seal(address);
  std::memcpy(memory, &value, sizeof value);
}

void mbarrier_inval(Thread& self, uint32_t address, Site at) {
  const MBarrier& barrier = find(self, address, "mbarrier.inval", at);
  if (!barrier.waiters.empty()) fail(at, "mbarrier.inval: threads wait on the mbarrier");
  fill_garbage(touch(self, address, Use::kWrite, at), sizeof(uint64_t));
  block_at(self, address).mbarriers.erase(address & kOffsetMask);
}

uint64_t mbarrier_arrive(Thread& self, ArriveForm form, uint32_t address, uint32_t count, Site at) {
  const char* name = form.drop ? "mbarrier.arrive_drop" : "mbarrier.arrive";
  MBarrier& barrier = find(self, address, name, at);
  const uint64_t token = token_of(barrier);
  arrive(self, form, barrier, count, name, at);
  return token;
}

uint64_t mbarrier_arrive_expect_tx(Thread& self, ArriveForm form, uint32_t address, uint32_t bytes,
                                   Site at) {
  const char* name = form.drop ? "mbarrier.arrive_drop.expect_tx" : "mbarrier.arrive.expect_tx";
  MBarrier& barrier = find(self, address, name, at);
  const uint64_t token = token_of(barrier);
  add_bytes(barrier, bytes, name, at);
  arrive(self, form, barrier, 1, name, at);
  return token;
}

void mbarrier_expect_tx(Thread& self, uint32_t address, uint32_t bytes, Site at) {
  add_bytes(find(self, address, "mbarrier.expect_tx", at), bytes, "mbarrier.expect_tx", at);
}

void mbarrier_complete_tx(Thread& self, uint32_t address, uint32_t bytes, Site at) {
  MBarrier& barrier = find(self, address, "mbarrier.complete_tx", at);
  add_bytes(barrier, -int64_t{bytes}, "mbarrier.complete_tx", at);
  end_phase_if_done(barrier);
}

bool mbarrier_test_wait(Thread& self, bool relaxed, uint32_t address, uint64_t token, Site at) {
  const char* name = "mbarrier.test_wait";
  return wait(self, relaxed, false, address, phase_of_token(token, name, at), name, at);
}

bool mbarrier_test_wait_parity(Thread& self, bool relaxed, uint32_t address, uint32_t parity,
                               Site at) {
  const char* name = "mbarrier.test_wait";
  return wait(self, relaxed, false, address, phase_of_parity(parity, name, at), name, at);
}

bool mbarrier_try_wait(Thread& self, bool relaxed, uint32_t address, uint64_t token, Site at) {
  const char* name = "mbarrier.try_wait";
  return wait(self, relaxed, true, address, phase_of_token(token, name, at), name, at);
}

bool mbarrier_try_wait_parity(Thread& self, bool relaxed, uint32_t address, uint32_t parity,
                              Site at) {
  const char* name = "mbarrier.try_wait";
  return wait(self, relaxed, true, address, phase_of_parity(parity, name, at), name, at);
}

uint32_t mbarrier_pending_count(Thread&, uint64_t token, Site at) {
  if (token >> 56 != kTokenMark >> 56) fail(at, "mbarrier.pending_count: not a token");
  return token & kMaxCount;
}

void publish_mbarriers(Thread& self) {
  for (auto& [offset, barrier] : self.block->mbarriers) barrier.visible_to_async = true;
}

void fence_mbarrier_init(Thread& self, Site) { publish_mbarriers(self); }

MBarrierPlace find_mbarrier(Thread& self, uint32_t address, const char* instruction, Site at) {
  find(self, address, instruction, at);
  return {&block_at(self, address), address & kOffsetMask};
}

MBarrierPlace mbarrier_for_copy(Thread& self, uint32_t address, const char* copy, Site at) {
  const MBarrierPlace place = find_mbarrier(self, address, copy, at);
  if (!mbarrier_at(place, copy, at).visible_to_async) {
    fail(
        at,
        "%s: no fence.mbarrier_init or fence.proxy.async followed the mbarrier.init of %#x, so the "
        "async proxy need not see it",
        copy, place.offset);
  }
  return place;
}

MBarrier& mbarrier_at(MBarrierPlace place, const char* instruction, Site at) {
  const auto found = place.block->mbarriers.find(place.offset);
  if (found == place.block->mbarriers.end()) {
    fail(at, "%s: there is no mbarrier at %#x", instruction, place.offset);
  }
  if (stored(place.block->arena + place.offset) != seal(place.offset)) {
    fail(at, "%s: the mbarrier at %#x was overwritten", instruction, place.offset);
  }
  return found->second;
}

void complete_bytes(MBarrierPlace place, uint32_t bytes, Site at) {
  MBarrier& barrier = mbarrier_at(place, "complete_tx of a bulk copy", at);
  add_bytes(barrier, -int64_t{bytes}, "complete_tx of a bulk copy", at);
  end_phase_if_done(barrier);
}

void arrive_for_copies(MBarrierPlace place, Site at) {
  MBarrier& barrier = mbarrier_at(place, "cp.async.mbarrier.arrive", at);
  if (barrier.pending == 0) fail(at, "cp.async.mbarrier.arrive: the phase waits for no arrival");
  --barrier.pending;
  end_phase_if_done(barrier);
}

void add_pending(MBarrierPlace place, Site at) {
  MBarrier& barrier = mbarrier_at(place, "cp.async.mbarrier.arrive", at);
  if (barrier.pending == kMaxCount) fail(at, "cp.async.mbarrier.arrive: too many arrivals");
  ++barrier.pending;
}

}  // namespace softgpu
