// What cp.async and bulk copies keep between issue and completion.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "engine/async_copy.h"
#include "engine/mbarrier.h"
#include "engine/site.h"

namespace softgpu {

struct DeferredArrival {
  std::vector<std::shared_ptr<CopyBatch>> batches;
  MBarrierPlace place;
  Site at{};
  bool done = false;
};

// A copy out of shared memory in two steps, each done once: read into `bytes`, then write from it.
struct BulkWrite {
  const char* from = nullptr;
  uint32_t from_bytes = 0;
  std::vector<char> bytes;
  std::function<void(const std::vector<char>&)> write;
  std::vector<std::pair<char*, uint32_t>> targets;  // for the race checker; none for reductions
  bool was_read = false;
  bool was_written = false;
  bool read_waited = false;
  Site at{};
};

void read_now(BulkWrite& copy);
void write_now(BulkWrite& copy);
// Adds a copy to the thread's open bulk group and starts it.
void start_bulk_write(Thread& self, std::shared_ptr<BulkWrite> copy);
void finish_bulk_writes(Thread& self);

}  // namespace softgpu
