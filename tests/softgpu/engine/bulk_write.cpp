#include "engine/bulk_write.h"

#include "engine/memory.h"
#include "engine/race.h"
#include "engine/settings.h"
#include "engine/thread.h"
#include "engine/tma.h"

namespace softgpu {

void read_now(BulkWrite& copy) {
  if (copy.was_read) return;
  copy.was_read = true;
  copy.bytes.assign(copy.from, copy.from + copy.from_bytes);
}

void write_now(BulkWrite& copy) {
  if (copy.was_written) return;
  read_now(copy);
  copy.was_written = true;
  copy.write(copy.bytes);
}

void start_bulk_write(Thread& self, std::shared_ptr<BulkWrite> copy) {
  race::check_proxy(self, copy->from, copy->from_bytes, "a bulk copy", copy->at);
  race::begin_async_read(self, copy->from, copy->from_bytes, copy->at);
  for (const auto& [memory, bytes] : copy->targets) {
    race::begin_async_write(self, memory, bytes, copy->at);
  }
  if (!lands_late()) read_now(*copy);
  if (!lands_late()) write_now(*copy);
  // Somebody may wait for the values in global memory without a wait_group of this thread.
  if (!copy->was_written) self.block->grid->pending.push_back([copy] { write_now(*copy); });
  self.async_copies.bulk_open.push_back(std::move(copy));
}

namespace {

void wait_for_reading(Thread& self, BulkWrite& copy) {
  if (copy.read_waited) return;
  read_now(copy);
  copy.read_waited = true;
  race::end_async_read(self, copy.from, copy.from_bytes, copy.at);
}

void wait_for_writing(Thread& self, BulkWrite& copy) {
  wait_for_reading(self, copy);
  write_now(copy);
  for (const auto& [memory, bytes] : copy.targets) race::end_async_write(self, memory, bytes);
}

}  // namespace

void bulk_commit_group(Thread& self, Site) {
  AsyncCopies& copies = self.async_copies;
  copies.bulk_groups.push_back(std::move(copies.bulk_open));
  copies.bulk_open.clear();
}

void bulk_wait_group(Thread& self, uint32_t groups_left, bool read_only, Site) {
  auto& groups = self.async_copies.bulk_groups;
  if (read_only) {
    for (size_t i = 0; i + groups_left < groups.size(); ++i) {
      for (const auto& copy : groups[i]) wait_for_reading(self, *copy);
    }
    return;
  }
  while (groups.size() > groups_left) {
    for (const auto& copy : groups.front()) wait_for_writing(self, *copy);
    groups.pop_front();
  }
}

void finish_bulk_writes(Thread& self) {
  AsyncCopies& copies = self.async_copies;
  bulk_commit_group(self, {});
  for (const BulkGroup& group : copies.bulk_groups) {
    for (const auto& copy : group) {
      if (!copy->read_waited) {
        fail(copy->at,
             "bulk copy: the thread exits without cp.async.bulk.wait_group{.read} for it, so "
             "shared memory may be gone before it is read");
      }
      write_now(*copy);
    }
  }
  copies.bulk_groups.clear();
}

}  // namespace softgpu
