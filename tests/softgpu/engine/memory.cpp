#include "engine/memory.h"

#include <string>

#include "engine/arena.h"
#include "engine/counters.h"
#include "engine/race.h"
#include "engine/regions.h"
#include "engine/scheduler.h"

namespace softgpu {
namespace {

constexpr uint32_t kOffsetBits = 24;
constexpr uint32_t kOffsetMask = (1u << kOffsetBits) - 1;
constexpr uint32_t kNotShared = 0xff000000u;  // the shared address of what is not: fails when used
constexpr int64_t kNear = 1 << 20;  // bytes from an object within which it helps to name it

// An access as the checks see it.
struct Attempt {
  Thread& self;
  Space space;  // never generic once classified
  Use use;
  uint64_t address;
  uint32_t bytes;
  Site at;
};

const char* name_of(Space space) {
  switch (space) {
    case Space::kGeneric: return "generic";
    case Space::kGlobal: return "global";
    case Space::kShared: return "shared";
    case Space::kLocal: return "local";
    case Space::kParameter: return "parameter";
    case Space::kConstant: return "constant";
  }
  return "?";
}

const char* name_of(Use use) {
  return use == Use::kRead ? "load" : use == Use::kWrite ? "store" : "atomic";
}

[[noreturn]] void refuse(const Attempt& attempt, const std::string& why) {
  fail(attempt.at, "%u-byte %s of %s memory at %#llx: %s", attempt.bytes, name_of(attempt.use),
       name_of(attempt.space), static_cast<unsigned long long>(attempt.address), why.c_str());
}

// Shared memory of a block of the cluster, by rank.
Block& peer(const Attempt& attempt, uint32_t rank) {
  Cluster& cluster = *attempt.self.block->cluster;
  if (rank >= cluster.blocks.size()) refuse(attempt, "no such block in the cluster");
  Block& block = *cluster.blocks[rank];
  if (block.live == 0) refuse(attempt, "that block of the cluster has exited");
  return block;
}

char* reach_arena(const Attempt& attempt, Block& block, uint32_t offset) {
  if (!is_in_shared_object(block, offset, attempt.bytes)) {
    refuse(attempt, "out of bounds, " + place_in_shared(block, offset));
  }
  return block.arena + offset;
}

char* reach_shared(const Attempt& attempt) {
  const auto address = static_cast<uint32_t>(attempt.address);
  if (attempt.address != address) refuse(attempt, "not a shared address");
  const uint32_t rank = address >> kOffsetBits;
  Block& block = rank == 0 ? *attempt.self.block : peer(attempt, rank - 1);
  return reach_arena(attempt, block, address & kOffsetMask);
}

char* reach_global(const Attempt& attempt) {
  if (attempt.use == Use::kWrite && attempt.space == Space::kConstant) {
    refuse(attempt, "constant memory is read-only");
  }
  if (find_region(attempt.address, attempt.bytes, attempt.use != Use::kRead) == nullptr) {
    const Region* nearest = nearest_region(attempt.address);
    if (nearest == nullptr) refuse(attempt, "out of bounds, nothing is allocated");
    const auto offset = static_cast<int64_t>(attempt.address - nearest->begin);
    const auto size = static_cast<int64_t>(nearest->end - nearest->begin);
    if (offset < -kNear || offset > size + kNear) refuse(attempt, "out of bounds, near no object");
    const std::string place =
        describe_offset(offset, nearest->end - nearest->begin, "'" + nearest->name + "'");
    const bool inside = find_region(attempt.address, attempt.bytes, false) != nullptr;
    refuse(attempt, (inside ? "read-only, " : "out of bounds, ") + place);
  }
  return reinterpret_cast<char*>(attempt.address);
}

bool is_inside(uint64_t address, uint32_t bytes, const void* object, uint64_t object_bytes) {
  const auto begin = reinterpret_cast<uint64_t>(object);
  return begin <= address && address + bytes <= begin + object_bytes;
}

bool is_local(const Attempt& attempt) {
  for (const auto& [memory, bytes] : attempt.self.locals) {
    if (is_inside(attempt.address, attempt.bytes, memory, bytes)) return true;
  }
  return false;
}

char* reach_local(const Attempt& attempt) {
  if (!is_local(attempt)) {
    std::string why = "out of bounds";
    if (!attempt.self.locals.empty()) {
      const auto& [memory, bytes] = attempt.self.locals.back();
      why += ", " + describe_offset(
                        static_cast<int64_t>(attempt.address - reinterpret_cast<uint64_t>(memory)),
                        bytes, "the thread's local memory");
    }
    refuse(attempt, why);
  }
  return reinterpret_cast<char*>(attempt.address);
}

bool is_parameter(const Attempt& attempt) {
  const Grid& grid = *attempt.self.block->grid;
  return is_inside(attempt.address, attempt.bytes, grid.parameters, grid.kernel->parameter_bytes);
}

char* reach_parameter(const Attempt& attempt) {
  if (!is_parameter(attempt)) {
    const Grid& grid = *attempt.self.block->grid;
    refuse(attempt,
           "out of bounds, " +
               describe_offset(static_cast<int64_t>(attempt.address -
                                                    reinterpret_cast<uint64_t>(grid.parameters)),
                               grid.kernel->parameter_bytes, "the kernel's parameters"));
  }
  if (attempt.use != Use::kRead) refuse(attempt, "parameters are read-only");
  return reinterpret_cast<char*>(attempt.address);
}

// What space a generic address is in.
Space classify(const Attempt& attempt) {
  if (is_in_arenas(reinterpret_cast<const void*>(attempt.address))) return Space::kShared;
  if (is_local(attempt)) return Space::kLocal;
  if (is_parameter(attempt)) return Space::kParameter;
  return Space::kGlobal;
}

char* reach_generic_shared(const Attempt& attempt) {
  auto* memory = reinterpret_cast<char*>(attempt.address);
  Block* block = block_of_arena(memory);
  if (block == nullptr || block->cluster != attempt.self.block->cluster) {
    refuse(attempt, "shared memory of a block outside the cluster");
  }
  if (block != attempt.self.block) peer(attempt, block->rank);
  return reach_arena(attempt, *block, static_cast<uint32_t>(memory - block->arena));
}

char* resolve(const Attempt& attempt, bool generic) {
  switch (attempt.space) {
    case Space::kShared: return generic ? reach_generic_shared(attempt) : reach_shared(attempt);
    case Space::kLocal: return reach_local(attempt);
    case Space::kParameter: return reach_parameter(attempt);
    default: return reach_global(attempt);
  }
}

const char* polling_name(Access how, Use use) {
  if (use == Use::kAtomic) return "an atomic";
  return how.ordering == Ordering::kVolatile ? "a volatile load" : "a load that synchronizes";
}

}  // namespace

std::string describe_offset(int64_t offset, uint64_t bytes, const std::string& object) {
  const std::string whole = object + " (" + std::to_string(bytes) + " bytes)";
  if (offset < 0) return std::to_string(-offset) + " bytes before " + whole;
  if (offset < static_cast<int64_t>(bytes))
    return "at byte " + std::to_string(offset) + " of " + whole;
  return std::to_string(offset - static_cast<int64_t>(bytes)) + " bytes past the end of " + whole;
}

char* reach(Thread& self, Access how, uint64_t address, uint32_t bytes, uint32_t alignment, Use use,
            Site at) {
  if (use == Use::kAtomic || (use == Use::kRead && how.ordering != Ordering::kWeak)) {
    poll(self, polling_name(how, use), at);
  }
  Attempt attempt{self, how.space, use, address, bytes, at};
  if (how.space == Space::kGeneric) attempt.space = classify(attempt);
  if ((address & (alignment - 1)) != 0) {
    refuse(attempt, "misaligned, must be a multiple of " + std::to_string(alignment));
  }
  const Space space = attempt.space;
  char* memory = resolve(attempt, how.space == Space::kGeneric);
  if (space == Space::kLocal || space == Space::kParameter) return memory;
  if (use == Use::kRead) watch_read(at);
  if (use == Use::kWrite) made_progress(self);
  if (space == Space::kConstant) return memory;
  if (settings.race) race::access(self, memory, bytes, use, how, at);
  if (settings.count) count_access(self, memory, bytes, use, space, at);
  return memory;
}

uint64_t generic_from_shared(Thread& self, uint64_t shared_address, Site at) {
  const auto address = static_cast<uint32_t>(shared_address);
  const uint32_t rank = address >> kOffsetBits;
  const Cluster& cluster = *self.block->cluster;
  if (rank > cluster.blocks.size()) fail(at, "cvta.shared: %#x is not a shared address", address);
  const Block& block = rank == 0 ? *self.block : *cluster.blocks[rank - 1];
  return reinterpret_cast<uint64_t>(block.arena + (address & kOffsetMask));
}

uint64_t shared_from_generic(Thread& self, uint64_t generic_address, Site) {
  const auto* memory = reinterpret_cast<const char*>(generic_address);
  const Block* block = block_of_arena(memory);
  if (block == nullptr || block->cluster != self.block->cluster) return kNotShared;
  const auto offset = static_cast<uint32_t>(memory - block->arena);
  return block == self.block ? offset : offset | (block->rank + 1) << kOffsetBits;
}

bool is_shared(Thread& self, uint64_t generic_address) {
  return block_of_arena(reinterpret_cast<const void*>(generic_address)) == self.block;
}

bool is_global(Thread& self, uint64_t generic_address) {
  const Attempt attempt{self, Space::kGeneric, Use::kRead, generic_address, 1, {}};
  return classify(attempt) == Space::kGlobal;
}

uint32_t map_shared_rank(Thread& self, uint32_t shared_address, uint32_t rank, Site at) {
  if (rank >= self.block->cluster->blocks.size()) {
    fail(at, "mapa: the cluster has no block of rank %u", rank);
  }
  return (shared_address & kOffsetMask) | (rank + 1) << kOffsetBits;
}

uint32_t shared_variable(Thread& self, uint32_t index) {
  return self.block->variable_offset[index];
}

uint32_t dynamic_shared(Thread& self) { return self.block->dynamic_offset; }

void declare_local(Thread& self, char* memory, uint32_t bytes) {
  self.locals.emplace_back(memory, bytes);
  fill_garbage(memory, bytes);
}

// Every byte has its high bit set: negative, and as a float far from anything expected.
void fill_garbage(char* memory, uint64_t bytes) {
  const uint64_t word = random_word() | 0x8080808080808080u;
  uint64_t i = 0;
  for (; i + sizeof word <= bytes; i += sizeof word) std::memcpy(memory + i, &word, sizeof word);
  std::memcpy(memory + i, &word, bytes - i);
}

void begin_launch_of_memory(Grid& grid) {
  if (grid.shape.cooperative) {
    allow(grid.workspace, sizeof grid.workspace, true, "grid barrier workspace");
  }
  if (settings.race) race::begin_launch();
  if (settings.count) count_launch_begin(*grid.kernel);
}

void end_launch_of_memory(Grid& grid) {
  if (grid.shape.cooperative) disallow(grid.workspace);
  if (settings.count) count_launch_end();
}

}  // namespace softgpu
