#include "engine/arena.h"

#include <sys/mman.h>

#include <cstdio>
#include <new>
#include <stdexcept>

#include "engine/memory.h"

namespace softgpu {
namespace {

constexpr uint64_t kArenas = 4096;  // as many blocks can be resident
constexpr uint32_t kRedZone = 128;
constexpr uint32_t kFirstOffset = 1024;       // as on the device; an address near 0 is an error
constexpr uint32_t kDynamicAlignment = 1024;  // what any swizzle asks for
constexpr uint32_t kMostShared = 227 * 1024;  // a block may have, on sm_90

struct Arenas {
  char* memory;
  std::vector<uint32_t> free;
  Block* owner[kArenas] = {};

  Arenas() {
    void* reserved = mmap(nullptr, kArenas * kArenaBytes + kArenaBytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED) throw std::bad_alloc();
    const uint64_t aligned =
        (reinterpret_cast<uint64_t>(reserved) + kArenaBytes - 1) & ~uint64_t{kArenaBytes - 1};
    memory = reinterpret_cast<char*>(aligned);
    for (uint32_t i = kArenas; i > 0; --i) free.push_back(i - 1);
  }
};

Arenas& arenas() {
  static Arenas the_arenas;
  return the_arenas;
}

uint32_t round_up(uint32_t value, uint32_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

struct SharedObject {
  const char* name;
  uint32_t offset;
  uint32_t bytes;
};

template <class Visit>
void for_objects(const Block& block, Visit visit) {
  const Kernel& kernel = *block.grid->kernel;
  for (uint32_t i = 0; i < kernel.shared_count; ++i) {
    visit(SharedObject{kernel.shared[i].name, block.variable_offset[i], kernel.shared[i].bytes});
  }
  visit(SharedObject{nullptr, block.dynamic_offset, block.grid->shape.dynamic_shared});
}

}  // namespace

void lay_out_shared(Block& block) {
  const Kernel& kernel = *block.grid->kernel;
  uint32_t offset = kFirstOffset;
  uint64_t total = block.grid->shape.dynamic_shared;
  for (uint32_t i = 0; i < kernel.shared_count; ++i) {
    offset = round_up(offset, kernel.shared[i].alignment);
    block.variable_offset.push_back(offset);
    offset += kernel.shared[i].bytes + kRedZone;
    total += kernel.shared[i].bytes;
  }
  block.dynamic_offset = round_up(offset, kDynamicAlignment);
  const uint64_t end = uint64_t{block.dynamic_offset} + block.grid->shape.dynamic_shared;
  if (total > kMostShared || end > kArenaBytes) {
    throw std::runtime_error(std::to_string(total) + " bytes of shared memory a block, in " +
                             kernel.name + ": more than 232448 or than fit with red zones");
  }
  Arenas& all = arenas();
  if (all.free.empty()) throw std::runtime_error("more than 4096 blocks are resident");
  const uint32_t index = all.free.back();
  all.free.pop_back();
  all.owner[index] = &block;
  block.arena = all.memory + uint64_t{index} * kArenaBytes;
  for_objects(block, [&](const SharedObject& object) {
    fill_garbage(block.arena + object.offset, object.bytes);
  });
}

void give_arena_back(Block& block) {
  Arenas& all = arenas();
  const auto index = static_cast<uint32_t>((block.arena - all.memory) / kArenaBytes);
  all.owner[index] = nullptr;
  all.free.push_back(index);
}

bool is_in_arenas(const void* memory) {
  const auto offset = static_cast<uint64_t>(static_cast<const char*>(memory) - arenas().memory);
  return offset < kArenas * kArenaBytes;
}

Block* block_of_arena(const void* memory) {
  if (!is_in_arenas(memory)) return nullptr;
  return arenas().owner[(static_cast<const char*>(memory) - arenas().memory) / kArenaBytes];
}

bool is_in_shared_object(const Block& block, uint32_t offset, uint32_t bytes) {
  if (offset >= block.dynamic_offset) {
    return offset + bytes <= block.dynamic_offset + block.grid->shape.dynamic_shared;
  }
  const Kernel& kernel = *block.grid->kernel;
  for (uint32_t i = 0; i < kernel.shared_count; ++i) {
    const uint32_t begin = block.variable_offset[i];
    if (offset >= begin && offset + bytes <= begin + kernel.shared[i].bytes) return true;
  }
  return false;
}

std::string place_in_shared(const Block& block, uint32_t offset) {
  SharedObject nearest{nullptr, 0, 0};
  uint32_t least = UINT32_MAX;
  for_objects(block, [&](const SharedObject& object) {
    if (object.bytes == 0) return;
    const uint32_t end = object.offset + object.bytes;
    const uint32_t distance = offset < object.offset ? object.offset - offset
                              : offset < end         ? 0
                                                     : offset - end + 1;
    if (distance >= least) return;
    least = distance;
    nearest = object;
  });
  if (least == UINT32_MAX) return "the kernel has no shared memory";
  const std::string name = nearest.name == nullptr
                               ? "dynamic shared memory"
                               : "shared variable '" + std::string(nearest.name) + "'";
  return describe_offset(static_cast<int64_t>(offset) - nearest.offset, nearest.bytes, name);
}

}  // namespace softgpu
