#include "engine/counters.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "engine/shadow.h"
#include "engine/thread.h"

namespace softgpu {
namespace {

constexpr uint32_t kSector = 32;
constexpr uint32_t kBanks = 32;
constexpr uint32_t kBankBytes = 4;

// Sectors of global memory, each once.
class SectorSet {
 public:
  void add(uint64_t sector) {
    const uint64_t number = sector / kPageSectors;
    if (last_ == nullptr || number != last_number_) {
      last_ = &pages_[number];
      last_number_ = number;
    }
    last_->set(sector % kPageSectors);
  }
  uint64_t count() const {
    uint64_t sum = 0;
    for (const auto& page : pages_) sum += page.second.count();
    return sum;
  }
  void clear() {
    pages_.clear();
    last_ = nullptr;
  }

 private:
  static constexpr uint64_t kPageSectors = 4096;
  using Page = std::bitset<kPageSectors>;
  std::unordered_map<uint64_t, Page> pages_;
  Page* last_ = nullptr;
  uint64_t last_number_ = 0;
};

// One warp at one instruction, as often as its lanes have come there. They come there at different
// moments: the n-th time of one lane belongs to the n-th time of the others.
struct Occurrence {
  std::vector<uint64_t> places;  // sectors, or words of shared memory with their phase
};
struct Instruction {
  std::array<uint32_t, kWarp> executed{};
  std::vector<Occurrence> occurrences;
};
struct InstructionKey {
  uint32_t site;
  uint32_t bytes;
  Use use;
  Space space;
  bool operator<(const InstructionKey& other) const {
    return std::tie(site, bytes, use, space) <
           std::tie(other.site, other.bytes, other.use, other.space);
  }
};
using Instructions = std::map<InstructionKey, Instruction>;

std::map<std::string, Counts> all_counts;
Counts* counts = nullptr;  // of the kernel that runs
SectorSet loaded;
SectorSet stored;
std::unordered_map<const Warp*, Instructions> warps;

Occurrence& occurrence_of(Thread& self, const InstructionKey& key) {
  Instruction& instruction = warps[self.warp][key];
  const uint32_t index = instruction.executed[self.lane]++;
  if (instruction.occurrences.size() <= index) instruction.occurrences.resize(index + 1);
  return instruction.occurrences[index];
}

bool add_once(Occurrence& occurrence, uint64_t place) {
  std::vector<uint64_t>& places = occurrence.places;
  if (std::find(places.rbegin(), places.rend(), place) != places.rend()) return false;
  places.push_back(place);
  return true;
}

void count_global(Thread& self, uint64_t address, uint32_t bytes, Use use, Site at) {
  const bool loads = use != Use::kWrite;
  const bool stores = use != Use::kRead;
  if (loads) counts->global_bytes_loaded += bytes;
  if (stores) counts->global_bytes_stored += bytes;
  Occurrence& occurrence = occurrence_of(self, {intern(at), bytes, use, Space::kGlobal});
  for (uint64_t sector = address / kSector; sector <= (address + bytes - 1) / kSector; ++sector) {
    if (loads) loaded.add(sector);
    if (stores) stored.add(sector);
    if (!add_once(occurrence, sector)) continue;
    if (loads) ++counts->sectors_load_requests;
    if (stores) ++counts->sectors_store_requests;
  }
}

// A warp's 8- and 16-byte accesses go in two and four phases of so many lanes.
uint32_t phase_of(uint32_t lane, uint32_t bytes) {
  return bytes <= kBankBytes ? 0 : lane / (kWarp * kBankBytes / bytes);
}

void count_shared(Thread& self, uint64_t address, uint32_t bytes, Use use, Site at) {
  if (use != Use::kWrite) counts->shared_bytes_loaded += bytes;
  if (use != Use::kRead) counts->shared_bytes_stored += bytes;
  if (bytes > 16) return;  // an engine's copy: its banks are its own affair
  Occurrence& occurrence = occurrence_of(self, {intern(at), bytes, use, Space::kShared});
  const uint64_t phase = phase_of(self.lane, bytes);
  for (uint64_t word = address / kBankBytes; word <= (address + bytes - 1) / kBankBytes; ++word) {
    add_once(occurrence, word * 4 + phase);
  }
}

uint64_t conflicts_of(const Occurrence& occurrence) {
  std::array<std::array<uint32_t, kBanks>, 4> words{};
  for (const uint64_t place : occurrence.places) ++words[place % 4][place / 4 % kBanks];
  uint64_t conflicts = 0;
  for (const auto& phase : words) {
    const uint32_t most = *std::max_element(phase.begin(), phase.end());
    if (most > 1) conflicts += most - 1;
  }
  return conflicts;
}

}  // namespace

void count_launch_begin(const Kernel& kernel) {
  counts = &all_counts[kernel.name];
  ++counts->launches;
  loaded.clear();
  stored.clear();
  warps.clear();
}

void count_launch_end() {
  if (counts == nullptr) return;
  counts->sectors_loaded += loaded.count();
  counts->sectors_stored += stored.count();
  counts = nullptr;
}

void count_block_end(Block& block) {
  for (const auto& warp : block.warps) {
    for (const auto& [key, instruction] : warps[warp.get()]) {
      if (key.space != Space::kShared) continue;
      for (const Occurrence& occurrence : instruction.occurrences) {
        counts->bank_conflicts += conflicts_of(occurrence);
      }
    }
    warps.erase(warp.get());
  }
}

void count_access(Thread& self, const char* memory, uint32_t bytes, Use use, Space space, Site at) {
  if (counts == nullptr || bytes == 0) return;
  const auto address = reinterpret_cast<uint64_t>(memory);
  if (space == Space::kShared) return count_shared(self, address, bytes, use, at);
  count_global(self, address, bytes, use, at);
}

}  // namespace softgpu

extern "C" {

// The counts of a kernel by its mangled name; false if it was never counted.
bool softgpu_counts(const char* kernel, softgpu::Counts* into) {
  const auto found = softgpu::all_counts.find(kernel);
  if (found == softgpu::all_counts.end()) return false;
  *into = found->second;
  return true;
}

// The mangled name of the index-th kernel that was counted, or null.
const char* softgpu_counted_kernel(uint32_t index) {
  if (index >= softgpu::all_counts.size()) return nullptr;
  return std::next(softgpu::all_counts.begin(), index)->first.c_str();
}

void softgpu_reset_counts() { softgpu::all_counts.clear(); }

}  // extern "C"
