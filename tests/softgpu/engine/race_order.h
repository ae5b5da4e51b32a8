// What the parts of the race checker share: who has seen whom, and how a race is told.
#pragma once

#include "engine/scheduler.h"
#include "engine/shadow.h"

namespace softgpu::race {

// Stands for the block of what is no thread: asynchronous copies that complete on an mbarrier.
constexpr uint32_t kAsyncBlock = UINT32_MAX;

// One access that is being checked.
struct Now {
  Thread& self;
  Use use;
  bool strong;
  Scope scope;
  Site at;
  uint32_t site;
  const char* what;  // "store"
};

// Whether what thread `thread` of `block` did at `time` comes before everything self does now. A
// strong access may rely on what its thread's relaxed reads saw.
bool happened_before(const Now& now, uint32_t block, uint32_t thread, uint32_t time);

// Checks and records an access of a cell whose first byte is at `address`.
void check_read(const Now& now, Cell& cell, uint64_t address);
void check_write(const Now& now, Cell& cell, uint64_t address);
void record_read(const Now& now, Cell& cell);

// Strong accesses: takes over what others published at the address, and publishes there.
void observe(Thread& self, uint64_t address, Access how);
void publish(Thread& self, uint64_t address, Access how, bool keeps_earlier);
void forget_published(uint64_t address);
void forget_all_published();
void forget_async_clocks();

struct Other {
  uint32_t block;
  uint32_t thread;
  uint32_t site;
  const char* what;
};
[[noreturn]] void report(const Now& now, uint64_t address, const Other& other, const char* why);
std::string name_thread(const Grid& grid, uint32_t block, uint32_t thread);

}  // namespace softgpu::race
