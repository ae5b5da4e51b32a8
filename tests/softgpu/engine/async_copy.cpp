#include "engine/async_copy.h"

#include <cstring>

#include "engine/bulk_write.h"
#include "engine/memory.h"
#include "engine/race.h"
#include "engine/settings.h"
#include "engine/thread.h"

namespace softgpu {
namespace {

void land(CopyToShared& copy) {
  if (copy.landed) return;
  copy.landed = true;
  if (copy.from_bytes != 0) std::memcpy(copy.to, copy.from, copy.from_bytes);
  std::memset(copy.to + copy.from_bytes, 0, copy.bytes - copy.from_bytes);
}

CopyBatch& open_batch(AsyncCopies& copies) {
  if (copies.open.empty()) copies.open.push_back(std::make_shared<CopyBatch>());
  return *copies.open.back();
}

void wait_for(Thread& self, CopyBatch& batch) {
  if (batch.done) return;
  batch.done = true;
  for (CopyToShared& copy : batch.copies) {
    land(copy);
    race::end_async_write(self, copy.to, copy.bytes);
  }
}

void wait_for(Thread& self, CopyGroup& group) {
  for (const auto& batch : group) wait_for(self, *batch);
}

void arrive_after(DeferredArrival& arrival) {
  if (arrival.done) return;
  arrival.done = true;
  MBarrier& barrier = mbarrier_at(arrival.place, "cp.async.mbarrier.arrive", arrival.at);
  for (const auto& batch : arrival.batches) {
    if (batch->done) continue;
    batch->done = true;
    for (CopyToShared& copy : batch->copies) {
      land(copy);
      race::end_async_write(barrier.arriving, copy.to, copy.bytes);
    }
  }
  arrive_for_copies(arrival.place, arrival.at);
}

}  // namespace

void cp_async(Thread& self, uint32_t shared, uint64_t global, uint32_t bytes, uint32_t from_bytes,
              Site at) {
  if (from_bytes > bytes) {
    fail(at, "cp.async: src-size must be at most cp-size %u; got %u", bytes, from_bytes);
  }
  if (shared >> 24 != 0) fail(at, "cp.async: the destination must be in the thread's own block");
  char* to = reach(self, {Space::kShared}, shared, bytes, bytes, Use::kWrite, at);
  const char* from = nullptr;
  if (from_bytes != 0) {
    from = reach(self, {Space::kGlobal}, global, from_bytes, bytes, Use::kRead, at);
  }
  race::begin_async_write(self, to, bytes, at);
  fill_garbage(to, bytes);
  CopyToShared copy{to, from, bytes, from_bytes, false};
  if (!lands_late()) land(copy);
  open_batch(self.async_copies).copies.push_back(copy);
}

void cp_async_commit_group(Thread& self, Site) {
  AsyncCopies& copies = self.async_copies;
  copies.groups.push_back(std::move(copies.open));
  copies.open.clear();
}

void cp_async_wait_group(Thread& self, uint32_t groups_left, Site) {
  auto& groups = self.async_copies.groups;
  while (groups.size() > groups_left) {
    wait_for(self, groups.front());
    groups.pop_front();
  }
}

void cp_async_wait_all(Thread& self, Site at) {
  cp_async_commit_group(self, at);
  cp_async_wait_group(self, 0, at);
}

void cp_async_mbarrier_arrive(Thread& self, uint32_t mbarrier, bool no_increment, Site at) {
  AsyncCopies& copies = self.async_copies;
  auto arrival = std::make_shared<DeferredArrival>();
  arrival->place = find_mbarrier(self, mbarrier, "cp.async.mbarrier.arrive", at);
  arrival->at = at;
  if (!no_increment) add_pending(arrival->place, at);
  auto take = [&](const CopyGroup& group) {
    for (const auto& batch : group) {
      if (!batch->done) arrival->batches.push_back(batch);
    }
  };
  for (const CopyGroup& group : copies.groups) take(group);
  take(copies.open);
  copies.open.push_back(std::make_shared<CopyBatch>());  // later copies are not waited for
  if (!lands_late()) return arrive_after(*arrival);
  copies.arrivals.push_back(arrival);
  self.block->grid->pending.push_back([arrival] { arrive_after(*arrival); });
}

void finish_async_copies(Thread& self) {
  AsyncCopies& copies = self.async_copies;
  for (const auto& arrival : copies.arrivals) arrive_after(*arrival);
  copies.arrivals.clear();
  finish_bulk_writes(self);
  check_no_wgmma_in_flight(self);
}

}  // namespace softgpu
