#include "engine/regions.h"

#include <algorithm>
#include <map>
#include <vector>

#include "engine/memory.h"

namespace softgpu {
namespace {

struct Regions {
  std::multimap<uint64_t, Region>
      all;  // by their beginning; the last allowed is the last of equals
  // The same, flat, to search in; made anew when `all` has changed.
  std::vector<const Region*> sorted;
  std::vector<uint64_t> greatest_end;  // of sorted[0..i]
  bool changed = false;
};

// Translated files allow their variables from static initialisers.
Regions& regions() {
  static Regions the_regions;
  return the_regions;
}

// Accesses near one another mostly go to the same region.
constexpr uint32_t kCacheEntries = 256;
constexpr uint32_t kCachedBytes = 14;  // log2: one entry for so much memory
const Region* cache[kCacheEntries];

void changed() {
  regions().changed = true;
  std::fill(std::begin(cache), std::end(cache), nullptr);
}

void settle(Regions& table) {
  if (!table.changed) return;
  table.changed = false;
  table.sorted.clear();
  table.greatest_end.clear();
  uint64_t end = 0;
  for (const auto& entry : table.all) {
    end = std::max(end, entry.second.end);
    table.sorted.push_back(&entry.second);
    table.greatest_end.push_back(end);
  }
}

// How many regions begin at or before the address.
size_t count_begun(const Regions& table, uint64_t address) {
  const auto after =
      std::upper_bound(table.sorted.begin(), table.sorted.end(), address,
                       [](uint64_t a, const Region* region) { return a < region->begin; });
  return static_cast<size_t>(after - table.sorted.begin());
}

const Region* search(uint64_t address, uint64_t bytes, bool write) {
  Regions& table = regions();
  settle(table);
  for (size_t i = count_begun(table, address); i > 0; --i) {
    if (table.greatest_end[i - 1] < address + bytes) return nullptr;
    if (table.sorted[i - 1]->allows(address, bytes, write)) return table.sorted[i - 1];
  }
  return nullptr;
}

uint64_t distance(const Region& region, uint64_t address) {
  if (address < region.begin) return region.begin - address;
  return address < region.end ? 0 : address - region.end + 1;
}

}  // namespace

void allow(const void* memory, uint64_t bytes, bool writable, const char* name) {
  const auto begin = reinterpret_cast<uint64_t>(memory);
  regions().all.insert({begin, {begin, begin + bytes, writable, name == nullptr ? "" : name}});
  changed();
}

void disallow(const void* memory) {
  auto& all = regions().all;
  const auto range = all.equal_range(reinterpret_cast<uint64_t>(memory));
  if (range.first == range.second) return;
  all.erase(std::prev(range.second));
  changed();
}

const Region* find_region(uint64_t address, uint64_t bytes, bool write) {
  const Region*& cached = cache[(address >> kCachedBytes) % kCacheEntries];
  if (cached != nullptr && cached->allows(address, bytes, write)) return cached;
  const Region* found = search(address, bytes, write);
  if (found != nullptr) cached = found;
  return found;
}

const Region* nearest_region(uint64_t address) {
  const Region* nearest = nullptr;
  for (const auto& entry : regions().all) {
    if (nearest == nullptr || distance(entry.second, address) <= distance(*nearest, address)) {
      nearest = &entry.second;
    }
  }
  return nearest;
}

}  // namespace softgpu
