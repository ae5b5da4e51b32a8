#include "engine/tma.h"

#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include "engine/arena.h"
#include "engine/bulk_write.h"
#include "engine/mbarrier.h"
#include "engine/memory.h"
#include "engine/race.h"
#include "engine/reduce_elements.h"
#include "engine/settings.h"
#include "engine/tensor_rows.h"
#include "engine/thread.h"

namespace softgpu {
namespace {

constexpr uint32_t kOffsetMask = (1u << 24) - 1;
constexpr uint32_t kBulkAlignment = 16;
constexpr uint32_t kTensorAlignment = 128;

// A copy on its way into the shared memory of one block.
struct Arrival {
  Block* block;
  uint32_t offset;
  uint32_t bytes;
  MBarrierPlace mbarrier;
  std::function<void(char* arena, uint32_t offset)> write;
  Site at;
};

void arrive(const Arrival& copy) {
  char* memory = copy.block->arena + copy.offset;
  copy.write(copy.block->arena, copy.offset);
  MBarrier& barrier = mbarrier_at(copy.mbarrier, "a bulk copy", copy.at);
  race::end_async_write(barrier.arriving, memory, copy.bytes);
  --copy.block->copies_in_flight;
  complete_bytes(copy.mbarrier, copy.bytes, copy.at);
}

uint32_t address_in(const Block& block, uint32_t address) {
  return (address & kOffsetMask) | (block.rank + 1) << 24;
}

// Starts the copy into one block of the cluster.
void send(Thread& self, Block& block, uint32_t to, uint32_t bytes, uint32_t alignment,
          uint32_t mbarrier, std::function<void(char*, uint32_t)> write, const char* name,
          Site at) {
  Arrival copy{&block, to & kOffsetMask, bytes, {}, std::move(write), at};
  copy.mbarrier = mbarrier_for_copy(self, address_in(block, mbarrier), name, at);
  char* memory =
      reach(self, {Space::kShared}, address_in(block, to), bytes, alignment, Use::kWrite, at);
  race::begin_async_write(self, memory, bytes, at);
  fill_garbage(memory, bytes);
  ++block.copies_in_flight;
  if (!lands_late()) return arrive(copy);
  self.block->grid->pending.push_back([copy] { arrive(copy); });
}

Block& block_of(Thread& self, uint32_t address) {
  const uint32_t rank = address >> 24;
  return rank == 0 ? *self.block : *self.block->cluster->blocks[rank - 1];
}

// To the block that `to` names, or to the same place in all blocks of the mask.
void send_all(Thread& self, uint32_t to, uint32_t bytes, uint32_t alignment, uint32_t mbarrier,
              Multicast multicast, const std::function<void(char*, uint32_t)>& write,
              const char* name, Site at) {
  Block& target = block_of(self, to);
  if (&block_of(self, mbarrier) != &target) {
    fail(at, "%s: the mbarrier must be in the block of the destination", name);
  }
  if (!multicast.on) return send(self, target, to, bytes, alignment, mbarrier, write, name, at);
  const auto& blocks = self.block->cluster->blocks;
  if (multicast.blocks == 0 || multicast.blocks >> blocks.size() != 0) {
    fail(at, "%s: the multicast mask must name blocks of the cluster of %zu; got %#x", name,
         blocks.size(), multicast.blocks);
  }
  for (const auto& block : blocks) {
    if (multicast.blocks >> block->rank & 1) {
      send(self, *block, to, bytes, alignment, mbarrier, write, name, at);
    }
  }
}

void check_bulk(uint32_t bytes, const char* name, Site at) {
  if (bytes == 0 || bytes % kBulkAlignment != 0) {
    fail(at, "%s: the size must be a positive multiple of 16; got %u", name, bytes);
  }
}

// A copy out of the thread's own shared memory, in its bulk group.
std::shared_ptr<BulkWrite> out_of_shared(Thread& self, uint32_t from, uint32_t bytes,
                                         uint32_t alignment, Site at) {
  auto copy = std::make_shared<BulkWrite>();
  copy->from = reach(self, {Space::kShared}, from, bytes, alignment, Use::kRead, at);
  copy->from_bytes = bytes;
  copy->at = at;
  return copy;
}

using RowWriter = std::function<void(const TensorRow& row, const char* elements)>;

void start_tensor_write(Thread& self, const TensorBox& to, uint32_t from, bool is_reduction,
                        RowWriter write_row, const char* name, Site at) {
  auto box = std::make_shared<TensorRows>(
      tensor_rows(self, to, is_reduction ? Use::kAtomic : Use::kWrite, name, at));
  auto copy = out_of_shared(self, from, box->bytes(), kTensorAlignment, at);
  for (const TensorRow& row : box->rows) {
    if (row.memory == nullptr || is_reduction) continue;
    copy->targets.emplace_back(row.memory, row.end - row.begin);
  }
  // The box starts at offset % 1024 of `bytes`: swizzles depend on no more than those bits.
  const uint32_t phase = (from & kOffsetMask) % 1024;
  copy->write = [box, phase, write_row](const std::vector<char>& bytes) {
    std::vector<char> dense(box->bytes()), shared(phase + bytes.size());
    std::memcpy(shared.data() + phase, bytes.data(), bytes.size());
    gather_box(*box, shared.data(), phase, dense.data());
    const char* elements = dense.data();
    for (const TensorRow& row : box->rows) {
      if (row.memory != nullptr) write_row(row, elements + row.begin);
      elements += box->row_bytes;
    }
  };
  start_bulk_write(self, copy);
}

}  // namespace

void tensor_load(Thread& self, uint32_t to, const TensorBox& from, uint32_t mbarrier,
                 Multicast multicast, Site at) {
  const char* name = "cp.async.bulk.tensor";
  auto box = std::make_shared<TensorRows>(tensor_rows(self, from, Use::kRead, name, at));
  const auto write = [box](char* arena, uint32_t offset) {
    scatter_box(*box, read_box(*box).data(), arena, offset);
  };
  send_all(self, to, box->bytes(), kTensorAlignment, mbarrier, multicast, write, name, at);
}

void tensor_store(Thread& self, const TensorBox& to, uint32_t from, Site at) {
  const auto write_row = [](const TensorRow& row, const char* elements) {
    std::memcpy(row.memory, elements, row.end - row.begin);
  };
  start_tensor_write(self, to, from, false, write_row, "cp.async.bulk.tensor", at);
}

void tensor_reduce(Thread& self, BulkOp op, const TensorBox& to, uint32_t from, Site at) {
  const char* name = "cp.reduce.async.bulk.tensor";
  const Element element = tensor_rows(self, to, Use::kAtomic, name, at).map.element;
  if (!can_reduce(op, element)) fail(at, "%s: no such operation on this element type", name);
  const auto write_row = [op, element](const TensorRow& row, const char* elements) {
    reduce_elements(op, element, row.memory, elements, row.end - row.begin);
  };
  start_tensor_write(self, to, from, true, write_row, name, at);
}

void tensor_prefetch(Thread& self, const TensorBox& from, Site at) {
  tensor_rows(self, from, Use::kRead, "cp.async.bulk.prefetch.tensor", at);
}

void tensormap_prefetch(Thread& self, uint64_t map, Site at) {
  reach(self, {Space::kGeneric}, map, 128, 64, Use::kRead, at);
}

void bulk_load(Thread& self, uint32_t to, uint64_t from, uint32_t bytes, uint32_t mbarrier,
               Multicast multicast, Site at) {
  check_bulk(bytes, "cp.async.bulk", at);
  const char* source = reach(self, {Space::kGlobal}, from, bytes, kBulkAlignment, Use::kRead, at);
  const auto write = [source, bytes](char* arena, uint32_t offset) {
    std::memcpy(arena + offset, source, bytes);
  };
  send_all(self, to, bytes, kBulkAlignment, mbarrier, multicast, write, "cp.async.bulk", at);
}

void bulk_store(Thread& self, uint64_t to, uint32_t from, uint32_t bytes, Site at) {
  check_bulk(bytes, "cp.async.bulk", at);
  char* target = reach(self, {Space::kGlobal}, to, bytes, kBulkAlignment, Use::kWrite, at);
  auto copy = out_of_shared(self, from, bytes, kBulkAlignment, at);
  copy->targets.emplace_back(target, bytes);
  copy->write = [target](const std::vector<char>& data) {
    std::memcpy(target, data.data(), data.size());
  };
  start_bulk_write(self, copy);
}

void bulk_copy(Thread& self, uint32_t to, uint32_t from, uint32_t bytes, uint32_t mbarrier,
               Site at) {
  check_bulk(bytes, "cp.async.bulk", at);
  const char* source = reach(self, {Space::kShared}, from, bytes, kBulkAlignment, Use::kRead, at);
  race::check_proxy(self, source, bytes, "a bulk copy", at);
  const auto write = [source, bytes](char* arena, uint32_t offset) {
    std::memcpy(arena + offset, source, bytes);
  };
  send_all(self, to, bytes, kBulkAlignment, mbarrier, {}, write, "cp.async.bulk", at);
}

void bulk_reduce(Thread& self, BulkOp op, Element element, uint64_t to, uint32_t from,
                 uint32_t bytes, Site at) {
  const char* name = "cp.reduce.async.bulk";
  check_bulk(bytes, name, at);
  if (!can_reduce(op, element)) fail(at, "%s: no such operation on this element type", name);
  char* target = reach(self, {Space::kGlobal, Ordering::kRelaxed}, to, bytes, kBulkAlignment,
                       Use::kAtomic, at);
  auto copy = out_of_shared(self, from, bytes, kBulkAlignment, at);
  copy->write = [op, element, target](const std::vector<char>& data) {
    reduce_elements(op, element, target, data.data(), static_cast<uint32_t>(data.size()));
  };
  start_bulk_write(self, copy);
}

void bulk_reduce_cluster(Thread& self, BulkOp op, Element element, uint32_t to, uint32_t from,
                         uint32_t bytes, uint32_t mbarrier, Site at) {
  const char* name = "cp.reduce.async.bulk";
  check_bulk(bytes, name, at);
  if (!can_reduce(op, element)) fail(at, "%s: no such operation on this element type", name);
  const char* source = reach(self, {Space::kShared}, from, bytes, kBulkAlignment, Use::kRead, at);
  race::check_proxy(self, source, bytes, "a bulk copy", at);
  // Several may add to it at the same time: the race checker does not follow the target.
  Block& block = block_of(self, to);
  const uint32_t offset = to & kOffsetMask;
  if (offset % kBulkAlignment != 0 || !is_in_shared_object(block, offset, bytes)) {
    fail(at, "%s: the target must be aligned to 16 bytes and inside an object; it is %s", name,
         place_in_shared(block, offset).c_str());
  }
  char* target = block.arena + offset;
  const MBarrierPlace place = mbarrier_for_copy(self, mbarrier, name, at);
  ++block.copies_in_flight;
  const auto run = [=, &block] {
    reduce_elements(op, element, target, source, bytes);
    --block.copies_in_flight;
    complete_bytes(place, bytes, at);
  };
  if (!lands_late()) return run();
  self.block->grid->pending.push_back(run);
}

void bulk_prefetch(Thread& self, uint64_t from, uint32_t bytes, Site at) {
  check_bulk(bytes, "cp.async.bulk.prefetch", at);
  reach(self, {Space::kGlobal}, from, bytes, kBulkAlignment, Use::kRead, at);
}

void store_async(Thread& self, uint32_t to, const void* value, uint32_t bytes, uint32_t mbarrier,
                 Site at) {
  const auto* first = static_cast<const char*>(value);
  const std::vector<char> data(first, first + bytes);
  const auto write = [data](char* arena, uint32_t offset) {
    std::memcpy(arena + offset, data.data(), data.size());
  };
  send_all(self, to, bytes, bytes, mbarrier, {}, write, "st.async", at);
}

void fence_proxy_async(Thread& self, Site) {
  race::proxy_fence(self);
  publish_mbarriers(self);
}

void check_copies_into(const Block& block, Site at) {
  if (block.copies_in_flight == 0) return;
  fail(at,
       "a block exits while %u bulk copies still write its shared memory: wait for them, and in a "
       "cluster for the other blocks",
       block.copies_in_flight);
}

}  // namespace softgpu
