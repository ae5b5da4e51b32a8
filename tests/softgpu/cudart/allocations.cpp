#include "cudart/allocations.h"

#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <vector>

#include "cudart/device.h"
#include "cudart/registration.h"
#include "cudart/runtime.h"
#include "engine/memory.h"

namespace softgpu::cudart {

namespace {

constexpr size_t kAlignment = 256;  // cudaMalloc's promise
constexpr size_t kRedZone = 256;    // to each side: small overruns hit nothing else
constexpr size_t kQuarantineBytes = size_t{64} << 20;

std::map<uintptr_t, Allocation> allocations;
std::deque<uintptr_t> quarantine;  // freed, oldest first
size_t quarantined = 0;
size_t in_use[kMaxDevices] = {};
int active = 0;
// Contents of variables, in the order of all_variables(): as loaded, and on devices not active.
std::vector<std::string> loaded;
std::map<int, std::vector<std::string>> parked;

uintptr_t key(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

bool reachable(const Allocation& allocation) {
  if (allocation.life != Life::kLive) return false;
  return allocation.kind != Kind::kDevice || allocation.device == active;
}

void show(const Allocation& allocation) {
  if (!reachable(allocation)) return;
  allow(allocation.memory, allocation.bytes, allocation.writable, allocation.name.c_str());
}

void hide(const Allocation& allocation) {
  if (reachable(allocation)) disallow(allocation.memory);
}

void shrink_quarantine() {
  while (quarantined > kQuarantineBytes) {
    const auto oldest = allocations.find(quarantine.front());
    quarantine.pop_front();
    quarantined -= oldest->second.bytes;
    std::free(oldest->second.memory - kRedZone);
    allocations.erase(oldest);
  }
}

std::string contents(const Variable& variable) {
  return {static_cast<const char*>(variable.memory), variable.bytes};
}

// Nothing writes a variable before its device has been activated.
void note_loaded_variables() {
  const std::vector<const Variable*>& variables = all_variables();
  for (size_t i = loaded.size(); i < variables.size(); ++i) {
    loaded.push_back(contents(*variables[i]));
  }
}

void swap_variables(int device) {
  std::vector<std::string>& leaving = parked[active];
  std::vector<std::string>& coming = parked[device];
  leaving.clear();
  for (const Variable* variable : all_variables()) leaving.push_back(contents(*variable));
  for (size_t i = 0; i < leaving.size(); ++i) {
    const Variable& variable = *all_variables()[i];
    const std::string& value = i < coming.size() ? coming[i] : loaded[i];
    std::memcpy(variable.memory, value.data(), variable.bytes);
  }
}

}  // namespace

Allocation& allocate(size_t bytes, Kind kind, Life life, int device) {
  if (kind == Kind::kDevice && bytes > kDeviceMemory - in_use[device]) {
    raise(cudaErrorMemoryAllocation, "%zu bytes asked for, %zu of %zu in use", bytes,
          in_use[device], kDeviceMemory);
  }
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  char* const block = static_cast<char*>(std::aligned_alloc(kAlignment, rounded + 2 * kRedZone));
  if (!block) raise(cudaErrorMemoryAllocation, "%zu bytes asked for", bytes);
  Allocation made;
  made.memory = block + kRedZone;
  made.bytes = bytes;
  made.kind = kind;
  made.life = life;
  made.device = device;
  made.name = kind == Kind::kDevice ? "memory of device " + std::to_string(device)
                                    : std::string("page-locked memory");
  fill_garbage(made.memory, bytes);
  if (kind == Kind::kDevice) in_use[device] += bytes;
  Allocation& kept = allocations[key(made.memory)] = made;
  show(kept);
  return kept;
}

void make_live(Allocation& allocation) {
  allocation.life = Life::kLive;
  show(allocation);
}

void release(Allocation& allocation) {
  hide(allocation);
  allocation.life = Life::kFreed;
  fill_garbage(allocation.memory, allocation.bytes);
  if (allocation.kind == Kind::kDevice) in_use[allocation.device] -= allocation.bytes;
  quarantine.push_back(key(allocation.memory));
  quarantined += allocation.bytes;
  shrink_quarantine();
}

Allocation& adopt(void* memory, size_t bytes, Kind kind, bool writable, const char* name) {
  Allocation& allocation = allocations[key(memory)];
  if (allocation.lent > 0) {
    hide(allocation);
    bytes = std::max(bytes, allocation.bytes);
    writable = writable || allocation.writable;
  }
  allocation.memory = static_cast<char*>(memory);
  allocation.bytes = bytes;
  allocation.kind = kind;
  allocation.writable = writable;
  allocation.name = name;
  ++allocation.lent;
  show(allocation);
  return allocation;
}

void disown(void* memory) {
  const auto found = allocations.find(key(memory));
  if (found == allocations.end() || found->second.lent == 0) {
    raise(cudaErrorInvalidValue, "memory that was not lent or registered");
  }
  if (--found->second.lent > 0) return;
  hide(found->second);
  allocations.erase(found);
}

Allocation* find_allocation(const void* pointer) {
  auto next = allocations.upper_bound(key(pointer));
  for (auto near = next; near != allocations.begin();) {
    Allocation& allocation = (--near)->second;
    const size_t red_zone = allocation.lent ? 0 : kRedZone;
    if (key(pointer) < key(allocation.memory) + allocation.bytes + red_zone) return &allocation;
    break;
  }
  if (next == allocations.end() || next->second.lent) return nullptr;
  return key(pointer) + kRedZone >= next->first ? &next->second : nullptr;
}

Allocation& allocation_at(const void* pointer, const char* function) {
  const auto found = allocations.find(key(pointer));
  if (found == allocations.end()) {
    raise(cudaErrorInvalidValue, "%s: %p is not the start of an allocation", function, pointer);
  }
  if (found->second.life == Life::kFreed) {
    raise(cudaErrorInvalidValue, "%s: %p has been freed", function, pointer);
  }
  return found->second;
}

void activate(int device) {
  note_loaded_variables();
  if (device == active) return;
  for (const auto& [start, allocation] : allocations) {
    if (allocation.kind == Kind::kDevice) hide(allocation);
  }
  swap_variables(device);
  active = device;
  for (const auto& [start, allocation] : allocations) {
    if (allocation.kind == Kind::kDevice) show(allocation);
  }
}

size_t bytes_in_use(int device) { return in_use[device]; }

}  // namespace softgpu::cudart
