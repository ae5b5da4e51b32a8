// Memory as a kernel sees it: spaces, bounds, alignment. Every access of translated code and of the
// engine on a thread's behalf passes `reach`, which also feeds the race checker and the counters.
//
// Addresses. Global, constant, parameter and local ones are the host's. A shared one is an offset
// in the block's arena in bits 0..23 with, in bits 24 and up, 0 for the thread's own block or
// rank + 1 of a block of the cluster (what mapa makes). The generic address of shared memory is the
// host address in the arena.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "engine/site.h"

namespace softgpu {

struct Thread;
struct Block;
struct Grid;

enum class Space : uint8_t { kGeneric, kGlobal, kShared, kLocal, kParameter, kConstant };
enum class Ordering : uint8_t { kWeak, kVolatile, kRelaxed, kAcquire, kRelease, kAcquireRelease };
enum class Scope : uint8_t { kBlock, kCluster, kDevice, kSystem };
enum class Use : uint8_t { kRead, kWrite, kAtomic };

struct Access {
  Space space = Space::kGeneric;
  Ordering ordering = Ordering::kWeak;
  Scope scope = Scope::kDevice;
};

constexpr uint32_t kArenaBytes = 256 * 1024;  // of shared memory a block, red zones included

// Host memory behind an address. Fails, naming the space and the nearest object, when
// [address, address + bytes) is not wholly inside one object or address % alignment != 0.
char* reach(Thread& self, Access how, uint64_t address, uint32_t bytes, uint32_t alignment, Use use,
            Site at);

// Conversions of cvta and mapa.
uint64_t generic_from_shared(Thread& self, uint64_t shared_address, Site at);
uint64_t shared_from_generic(Thread& self, uint64_t generic_address, Site at);
bool is_shared(Thread& self, uint64_t generic_address);
bool is_global(Thread& self, uint64_t generic_address);
uint32_t map_shared_rank(Thread& self, uint32_t shared_address, uint32_t rank, Site at);

// Shared addresses of variable `index` of the kernel and of the dynamic part.
uint32_t shared_variable(Thread& self, uint32_t index);
uint32_t dynamic_shared(Thread& self);

// A thread's .local variables: garbage at the start; inside, accesses are in bounds.
void declare_local(Thread& self, char* memory, uint32_t bytes);

// Host memory that kernels may touch. `writable` false: a store is an error.
void allow(const void* memory, uint64_t bytes, bool writable, const char* name);
void disallow(const void* memory);

void fill_garbage(char* memory, uint64_t bytes);

// For messages: "12 bytes past the end of 'x' (400 bytes)".
std::string describe_offset(int64_t offset, uint64_t bytes, const std::string& object);

// Around a launch.
void begin_launch_of_memory(Grid& grid);
void end_launch_of_memory(Grid& grid);

// An atomic changed memory: not a thread that only polls.
void made_progress(Thread& self);

template <class T, int N = 1>
struct alignas(sizeof(T) * N) Elements {
  T e[N];
};

template <class T, int N = 1>
Elements<T, N> load(Thread& self, Access how, uint64_t address, Site at) {
  Elements<T, N> value;
  std::memcpy(&value, reach(self, how, address, sizeof value, sizeof value, Use::kRead, at),
              sizeof value);
  return value;
}

template <class T, int N = 1>
void store(Thread& self, Access how, uint64_t address, Elements<T, N> value, Site at) {
  std::memcpy(reach(self, how, address, sizeof value, sizeof value, Use::kWrite, at), &value,
              sizeof value);
}

// One read-modify-write: stores next(old), returns old.
template <class T, class Next>
T atomic(Thread& self, Access how, uint64_t address, Next next, Site at) {
  char* memory = reach(self, how, address, sizeof(T), sizeof(T), Use::kAtomic, at);
  T old;
  std::memcpy(&old, memory, sizeof old);
  const T value = next(old);
  std::memcpy(memory, &value, sizeof value);
  if (std::memcmp(&old, &value, sizeof value) != 0) made_progress(self);
  return old;
}

}  // namespace softgpu
