#include "engine/shadow.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>

namespace softgpu {
namespace {

constexpr uint64_t kPageCells = 1024;
constexpr size_t kFewGroups = 16;  // up to which a search is as quick as an index

struct Page {
  uint64_t launch = 0;  // that its cells are of
  Cell cells[kPageCells];
};

struct ByteCells {
  Cell cells[kGranule];
};

std::unordered_map<uint64_t, std::unique_ptr<Page>> pages;
std::deque<ByteCells> splits(1);  // from 1: references stay valid while it grows
std::deque<AccessorSet> sets(1);
std::vector<uint32_t> free_sets;
std::vector<uint32_t> free_splits;
uint64_t launch = 0;

constexpr size_t kCachedPages = 64;
struct CachedPage {
  uint64_t number = UINT64_MAX;
  Page* page = nullptr;
};
CachedPage page_cache[kCachedPages];

constexpr size_t kCachedSites = 1024;
std::vector<Site> sites(1);
uint32_t site_cache[kCachedSites];

uint64_t key_of(const Accessors& accessors) {
  uint64_t key = accessors.block;
  key = key * 0x9e3779b97f4a7c15u + accessors.warp;
  return key * 4 + static_cast<uint64_t>(accessors.scope) + (accessors.writes ? 1u << 31 : 0);
}

Page& find_page(uint64_t number) {
  CachedPage& cached = page_cache[number % kCachedPages];
  if (cached.number == number && cached.page->launch == launch) return *cached.page;
  std::unique_ptr<Page>& page = pages[number];
  if (page == nullptr) page = std::make_unique<Page>();
  if (page->launch != launch) {
    std::fill(std::begin(page->cells), std::end(page->cells), Cell{});
    page->launch = launch;
  }
  cached = {number, page.get()};
  return *page;
}

void release(Cell& cell) {
  shadow::free_set(cell.more_readers);
  shadow::free_set(cell.strong);
  if (cell.split == 0) return;
  for (Cell& byte : splits[cell.split].cells) release(byte);
  free_splits.push_back(cell.split);
}

uint32_t new_split() {
  if (free_splits.empty()) {
    splits.emplace_back();
    return static_cast<uint32_t>(splits.size() - 1);
  }
  const uint32_t number = free_splits.back();
  free_splits.pop_back();
  return number;
}

}  // namespace

uint32_t intern(Site at) {
  if (at.file == nullptr) return 0;
  uint32_t& cached = site_cache[static_cast<uint32_t>(at.line) % kCachedSites];
  const auto is_it = [&](const Site& site) { return site.line == at.line && site.file == at.file; };
  if (is_it(sites[cached])) return cached;
  const auto found = std::find_if(sites.begin(), sites.end(), is_it);
  cached = static_cast<uint32_t>(found - sites.begin());
  if (found == sites.end()) sites.push_back(at);
  return cached;
}

Site site_of(uint32_t number) { return sites[number]; }

template <class Visit>
void AccessorSet::for_groups_like(const Accessors& accessors, Visit visit) {
  if (groups_.size() <= kFewGroups) {
    for (Accessors& group : groups_) {
      if (group.is_like(accessors)) visit(group);
    }
    return;
  }
  const auto found = index_.find(key_of(accessors));
  if (found == index_.end()) return;
  for (const uint32_t i : found->second) {
    if (groups_[i].is_like(accessors)) visit(groups_[i]);
  }
}

void AccessorSet::append(const Accessors& accessors) {
  groups_.push_back(accessors);
  if (groups_.size() <= kFewGroups) return;
  // The first time that there are many, all of them are indexed.
  const size_t first = index_.empty() ? 0 : groups_.size() - 1;
  for (size_t i = first; i < groups_.size(); ++i) {
    index_[key_of(groups_[i])].push_back(static_cast<uint32_t>(i));
  }
}

void AccessorSet::add(const Accessors& accessors) {
  narrowest_ = std::min(narrowest_, accessors.scope);
  Accessors* same_time = nullptr;
  Accessors* emptied = nullptr;
  for_groups_like(accessors, [&](Accessors& group) {
    if (group.time == accessors.time) {
      same_time = &group;
      return;
    }
    group.lanes &= ~accessors.lanes;
    if (group.lanes == 0) emptied = &group;
  });
  if (same_time != nullptr) {
    same_time->lanes |= accessors.lanes;
    same_time->site = accessors.site;
    same_time->sequence = accessors.sequence;
  } else if (emptied != nullptr) {
    *emptied = accessors;
  } else {
    append(accessors);
  }
}

void AccessorSet::clear() {
  groups_.clear();
  index_.clear();
  narrowest_ = Scope::kSystem;
}

namespace shadow {

void begin_launch() {
  ++launch;
  splits.resize(1);
  sets.resize(1);
  free_sets.clear();
  free_splits.clear();
}

void forget(const char* memory, uint32_t bytes) {
  const uint64_t first = reinterpret_cast<uint64_t>(memory) / (kGranule * kPageCells);
  const uint64_t count = bytes / (kGranule * kPageCells);
  for (uint64_t number = first; number < first + count; ++number) {
    const auto found = pages.find(number);
    if (found == pages.end() || found->second->launch != launch) continue;
    for (Cell& cell : found->second->cells) release(cell);
    found->second->launch = 0;
  }
}

AccessorSet& set(uint32_t number) { return sets[number]; }

uint32_t new_set() {
  if (free_sets.empty()) {
    sets.emplace_back();
    return static_cast<uint32_t>(sets.size() - 1);
  }
  const uint32_t number = free_sets.back();
  free_sets.pop_back();
  return number;
}

void free_set(uint32_t& number) {
  if (number == 0) return;
  sets[number].clear();
  free_sets.push_back(number);
  number = 0;
}

Cell* whole_cell(uint64_t granule) {
  return &find_page(granule / kPageCells).cells[granule % kPageCells];
}

Cell* byte_cells(Cell& cell) {
  if (cell.split != 0) return splits[cell.split].cells;
  const uint32_t split = new_split();
  for (Cell& byte : splits[split].cells) {
    byte = cell;
    for (uint32_t* number : {&byte.more_readers, &byte.strong}) {
      if (*number == 0) continue;
      const uint32_t copy = new_set();
      sets[copy] = sets[*number];
      *number = copy;
    }
  }
  free_set(cell.more_readers);
  free_set(cell.strong);
  cell = Cell{};
  cell.split = split;
  return splits[split].cells;
}

}  // namespace shadow
}  // namespace softgpu
