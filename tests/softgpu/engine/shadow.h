// What the race checker remembers of every byte: the last ordinary write, the ordinary reads since,
// and the strong accesses (atomic, volatile, relaxed and stronger) since.
//
// Four aligned bytes share a cell until an access touches only some of them.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "engine/memory.h"
#include "engine/site.h"

namespace softgpu {

// A place in the source as a number; 0 is none.
uint32_t intern(Site at);
Site site_of(uint32_t number);

// Lanes of a warp that did the same at the same time of each of their clocks.
struct Accessors {
  uint32_t block = 0;
  uint32_t time = 0;
  uint32_t lanes = 0;
  uint32_t site = 0;
  uint16_t warp = 0;
  Scope scope = Scope::kSystem;
  bool writes = false;
  uint64_t sequence = 0;  // of strong ones: which is later

  // Whether a later access of a lane of one takes the place of an earlier one of the other.
  bool is_like(const Accessors& other) const {
    return block == other.block && warp == other.warp && scope == other.scope &&
           writes == other.writes;
  }
};

// Groups of accessors. A lane is in one of those that are alike, the one of its latest access.
class AccessorSet {
 public:
  const std::vector<Accessors>& groups() const { return groups_; }
  Scope narrowest() const { return narrowest_; }
  void add(const Accessors& accessors);
  void clear();

 private:
  void append(const Accessors& accessors);
  template <class Visit>
  void for_groups_like(const Accessors& accessors, Visit visit);

  std::vector<Accessors> groups_;
  std::unordered_map<uint64_t, std::vector<uint32_t>> index_;  // once there are many
  Scope narrowest_ = Scope::kSystem;
};

struct Writer {
  uint32_t block = 0;
  uint32_t time = 0;  // 0: nobody wrote in this launch
  uint32_t site = 0;
  uint16_t thread = 0;
  bool needs_proxy_fence = false;  // an ordinary store, which the async proxy may not see yet
};

struct Reader {
  uint32_t block = 0;
  uint32_t time = 0;
  uint32_t lanes = 0;
  uint32_t site = 0;
  uint16_t warp = 0;
};

struct Cell {
  Writer write;
  uint16_t async_writes = 0;  // in flight
  Reader read;                // the last group
  uint16_t async_reads = 0;
  uint32_t more_readers = 0;  // an AccessorSet, or 0
  uint32_t strong = 0;        // likewise
  uint32_t split = 0;         // one cell a byte instead
};

namespace shadow {

void begin_launch();
void forget(const char* memory, uint32_t bytes);  // whole pages
AccessorSet& set(uint32_t number);
uint32_t new_set();
void free_set(uint32_t& number);

Cell* whole_cell(uint64_t granule);  // of bytes granule * 4 ..
Cell* byte_cells(Cell& cell);        // four, splitting it if need be

}  // namespace shadow

constexpr uint32_t kGranule = 4;

// Visits each cell of [memory, memory + bytes) with the address of its first byte.
template <class Visit>
void for_cells(const char* memory, uint32_t bytes, Visit visit) {
  auto address = reinterpret_cast<uint64_t>(memory);
  const uint64_t end = address + bytes;
  while (address < end) {
    const uint64_t next = (address / kGranule + 1) * kGranule;
    Cell& cell = *shadow::whole_cell(address / kGranule);
    if (cell.split == 0 && address % kGranule == 0 && next <= end) {
      visit(cell, address);
      address = next;
      continue;
    }
    Cell* cells = shadow::byte_cells(cell);
    for (; address < next && address < end; ++address) visit(cells[address % kGranule], address);
  }
}

}  // namespace softgpu
