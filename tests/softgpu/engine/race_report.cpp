#include "engine/arena.h"
#include "engine/race_order.h"
#include "engine/regions.h"

namespace softgpu::race {
namespace {

std::string describe(uint64_t address) {
  if (const Block* block = block_of_arena(reinterpret_cast<const void*>(address))) {
    const auto offset = static_cast<uint32_t>(address - reinterpret_cast<uint64_t>(block->arena));
    return place_in_shared(*block, offset);
  }
  const Region* region = nearest_region(address);
  if (region == nullptr) return "memory";
  return describe_offset(static_cast<int64_t>(address - region->begin), region->end - region->begin,
                         "'" + region->name + "'");
}

bool fence_is_missing(const Thread& self, const Other& other) {
  for (const Clock& clock : self.race.pending_acquire) {
    if (clock.seen.at(other.block, other.thread) != 0) return true;
  }
  return false;
}

}  // namespace

std::string name_thread(const Grid& grid, uint32_t block, uint32_t thread) {
  if (block == kAsyncBlock) return "an asynchronous copy";
  const auto triple = [](uint32_t number, const Dim3& shape) {
    return "(" + std::to_string(number % shape.x) + "," +
           std::to_string(number / shape.x % shape.y) + "," +
           std::to_string(number / (shape.x * shape.y)) + ")";
  };
  return "block " + triple(block, grid.shape.grid) + ", thread " + triple(thread, grid.shape.block);
}

void report(const Now& now, uint64_t address, const Other& other, const char* why) {
  std::string message = "data race (" + std::string(why) + ") " + describe(address) + ": this " +
                        now.what + " and the " + other.what + " at " +
                        softgpu::name_of(site_of(other.site)) + " by " +
                        name_thread(*now.self.block->grid, other.block, other.thread);
  if (!now.strong && fence_is_missing(now.self, other)) {
    message += "; a fence after the atomic or volatile read might order them";
  }
  fail(now.at, "%s", message.c_str());
}

}  // namespace softgpu::race
