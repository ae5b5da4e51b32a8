// Memory that asynchronous copies and products write and read, and the async proxy.
#include <unordered_map>

#include "engine/race_order.h"

namespace softgpu::race {
namespace {

// A clock that asynchronous writes complete on is like a thread, whose time each write advances.
struct AsyncThread {
  uint32_t number;
  uint32_t time = 0;
};
std::unordered_map<const Clock*, AsyncThread> async_threads;

AsyncThread& async_thread(const Clock& clock) {
  const auto number = static_cast<uint32_t>(async_threads.size());
  return async_threads.try_emplace(&clock, AsyncThread{number}).first->second;
}

Now as_access(Thread& self, Use use, const char* what, Site at) {
  return {self, use, false, Scope::kDevice, at, intern(at), what};
}

}  // namespace

void forget_async_clocks() { async_threads.clear(); }

void begin_async_write(Thread& issuer, char* memory, uint32_t bytes, Site at) {
  if (!settings.race) return;
  const Now now = as_access(issuer, Use::kWrite, "asynchronous write", at);
  for_cells(memory, bytes, [&](Cell& cell, uint64_t address) {
    check_write(now, cell, address);
    ++cell.async_writes;
  });
}

void end_async_write(Thread& waiter, char* memory, uint32_t bytes) {
  if (!settings.race) return;
  for_cells(memory, bytes, [&](Cell& cell, uint64_t) {
    if (cell.async_writes != 0) --cell.async_writes;
    cell.write = {waiter.block->number, waiter.race.time, cell.write.site,
                  static_cast<uint16_t>(waiter.number), false};
  });
}

void end_async_write(Clock& published, char* memory, uint32_t bytes) {
  if (!settings.race) return;
  AsyncThread& writer = async_thread(published);
  published.seen.see(kAsyncBlock, writer.number, ++writer.time);
  for_cells(memory, bytes, [&](Cell& cell, uint64_t) {
    if (cell.async_writes != 0) --cell.async_writes;
    cell.write = {kAsyncBlock, writer.time, cell.write.site, static_cast<uint16_t>(writer.number),
                  false};
  });
}

void begin_async_read(Thread& issuer, const char* memory, uint32_t bytes, Site at) {
  if (!settings.race) return;
  const Now now = as_access(issuer, Use::kRead, "asynchronous read", at);
  for_cells(memory, bytes, [&](Cell& cell, uint64_t address) {
    check_read(now, cell, address);
    ++cell.async_reads;
  });
}

void end_async_read(Thread& waiter, const char* memory, uint32_t bytes, Site at) {
  if (!settings.race) return;
  const Now now = as_access(waiter, Use::kRead, "asynchronous read", at);
  for_cells(memory, bytes, [&](Cell& cell, uint64_t) {
    if (cell.async_reads != 0) --cell.async_reads;
    record_read(now, cell);
  });
}

void proxy_fence(Thread& self) {
  if (!settings.race) return;
  self.race.clock.proxied.merge(self.race.clock.seen);
  self.race.clock.proxied.see(self.block->number, self.number, self.race.time);
  ++self.race.time;
}

void check_proxy(Thread& self, const char* memory, uint32_t bytes, const char* reader, Site at) {
  if (!settings.race) return;
  const Now now = as_access(self, Use::kRead, reader, at);
  for_cells(memory, bytes, [&](Cell& cell, uint64_t address) {
    const Writer& write = cell.write;
    if (write.time == 0 || !write.needs_proxy_fence) return;
    if (self.race.clock.proxied.at(write.block, write.thread) >= write.time) return;
    report(now, address, {write.block, write.thread, write.site, "store"},
           "no fence.proxy.async between an ordinary store and the async proxy");
  });
}

}  // namespace softgpu::race
