#include "engine/race.h"

#include <algorithm>

#include "engine/race_order.h"

namespace softgpu::race {
namespace {

uint64_t sequence = 0;

uint32_t warp_of(const Now& now) { return now.self.number / kWarp; }
uint32_t lane_bit(const Now& now) { return 1u << now.self.lane; }

bool before(const Now& now, const Writer& write) {
  return write.time == 0 || happened_before(now, write.block, write.thread, write.time);
}

// The first of a group's lanes that is not ordered before now, or kWarp.
template <class Group>
uint32_t unordered_lane(const Now& now, const Group& group) {
  for (uint32_t lanes = group.lanes; lanes != 0; lanes &= lanes - 1) {
    const auto lane = static_cast<uint32_t>(__builtin_ctz(lanes));
    if (!happened_before(now, group.block, group.warp * kWarp + lane, group.time)) return lane;
  }
  return kWarp;
}

template <class Group>
void check_group(const Now& now, uint64_t address, const Group& group, const char* what,
                 const char* why) {
  const uint32_t lane = unordered_lane(now, group);
  if (lane == kWarp) return;
  report(now, address, {group.block, group.warp * kWarp + lane, group.site, what}, why);
}

// Two strong accesses do not race if each is in the other's scope.
bool scopes_cover(const Now& now, const Accessors& group) {
  if (group.block == now.self.block->number) return true;
  const Scope narrower = std::min(now.scope, group.scope);
  if (narrower >= Scope::kDevice) return true;
  if (narrower == Scope::kBlock) return false;
  for (const auto& block : now.self.block->cluster->blocks) {
    if (block->number == group.block) return true;
  }
  return false;
}

bool any_before(const Now& now, const Accessors& group) {
  for (uint32_t lanes = group.lanes; lanes != 0; lanes &= lanes - 1) {
    const auto lane = static_cast<uint32_t>(__builtin_ctz(lanes));
    if (happened_before(now, group.block, group.warp * kWarp + lane, group.time)) return true;
  }
  return false;
}

bool fence_was_seen(const Now& now, Accessors group) {
  --group.time;
  return group.time != 0 && unordered_lane(now, group) == kWarp;
}

// An ordinary access against strong ones. Accesses of one location are coherent: what came before a
// strong access that is ordered before now will not be seen to come later. That is enough to reset
// a counter, but to read one, the fence before that access must have been seen.
void check_against_strong(const Now& now, const Cell& cell, uint64_t address) {
  const std::vector<Accessors>& groups = shadow::set(cell.strong).groups();
  uint64_t seen = 0;
  for (const Accessors& group : groups) {
    if (group.sequence > seen && any_before(now, group)) seen = group.sequence;
  }
  for (const Accessors& group : groups) {
    if (now.use == Use::kRead && !group.writes) continue;
    if (group.sequence <= seen && (now.use != Use::kRead || fence_was_seen(now, group))) continue;
    check_group(now, address, group, group.writes ? "atomic or volatile write" : "volatile read",
                "an ordinary access and one that synchronizes");
  }
}

void check_scopes(const Now& now, const Cell& cell, uint64_t address) {
  const AccessorSet& set = shadow::set(cell.strong);
  if (std::min(now.scope, set.narrowest()) >= Scope::kDevice) return;
  for (const Accessors& group : set.groups()) {
    if ((now.use == Use::kRead && !group.writes) || scopes_cover(now, group)) continue;
    check_group(now, address, group, "atomic access", "its scope does not cover both threads");
  }
}

void record_strong(const Now& now, Cell& cell) {
  if (cell.strong == 0) cell.strong = shadow::new_set();
  Accessors group;
  group.block = now.self.block->number;
  group.warp = static_cast<uint16_t>(warp_of(now));
  group.time = now.self.race.time;
  group.lanes = lane_bit(now);
  group.site = now.site;
  group.scope = now.scope;
  group.writes = now.use != Use::kRead;
  group.sequence = ++sequence;
  shadow::set(cell.strong).add(group);
}

void check_readers(const Now& now, const Cell& cell, uint64_t address) {
  check_group(now, address, cell.read, "load", "write after read");
  if (cell.more_readers == 0) return;
  for (const Accessors& group : shadow::set(cell.more_readers).groups()) {
    check_group(now, address, group, "load", "write after read");
  }
}

void check_last_write(const Now& now, const Cell& cell, uint64_t address, const char* why) {
  const Writer& write = cell.write;
  const Other other{write.block, write.thread, write.site, "store"};
  if (cell.async_writes != 0) {
    report(now, address, other, "the asynchronous copy to it was not waited for");
  }
  if (!before(now, write)) report(now, address, other, why);
}

}  // namespace

void record_read(const Now& now, Cell& cell) {
  Reader& read = cell.read;
  const uint32_t block = now.self.block->number;
  const uint32_t warp = warp_of(now);
  const uint32_t time = now.self.race.time;
  if (read.lanes != 0 && read.block == block && read.warp == warp && read.time == time) {
    read.lanes |= lane_bit(now);
    return;
  }
  if (read.lanes != 0 && unordered_lane(now, read) != kWarp) {
    if (cell.more_readers == 0) cell.more_readers = shadow::new_set();
    Accessors group;
    group.block = read.block;
    group.warp = read.warp;
    group.time = read.time;
    group.lanes = read.lanes;
    group.site = read.site;
    shadow::set(cell.more_readers).add(group);
  }
  read = {block, time, lane_bit(now), now.site, static_cast<uint16_t>(warp)};
}

void check_read(const Now& now, Cell& cell, uint64_t address) {
  check_last_write(now, cell, address, "read after write");
  if (now.strong) {
    if (cell.strong != 0) check_scopes(now, cell, address);
    return record_strong(now, cell);
  }
  if (cell.strong != 0) check_against_strong(now, cell, address);
  record_read(now, cell);
}

void check_write(const Now& now, Cell& cell, uint64_t address) {
  check_last_write(now, cell, address, "write after write");
  if (cell.async_reads != 0) {
    const Reader& read = cell.read;
    const auto lane = static_cast<uint32_t>(__builtin_ctz(read.lanes | 1u << 31));
    report(now, address, {read.block, read.warp * kWarp + lane, read.site, "asynchronous read"},
           "the asynchronous read of it was not waited for");
  }
  if (cell.read.lanes != 0) check_readers(now, cell, address);
  if (now.strong) {
    if (cell.strong != 0) check_scopes(now, cell, address);
    return record_strong(now, cell);
  }
  if (cell.strong != 0) {
    check_against_strong(now, cell, address);
    forget_published(address);
    shadow::free_set(cell.strong);
  }
  shadow::free_set(cell.more_readers);
  cell.read = {};
  cell.write = {now.self.block->number, now.self.race.time, now.site,
                static_cast<uint16_t>(now.self.number), true};
}

void access(Thread& self, const char* memory, uint32_t bytes, Use use, Access how, Site at) {
  if (!settings.race) return;
  const bool strong = use == Use::kAtomic || how.ordering != Ordering::kWeak;
  const Scope scope = how.ordering == Ordering::kVolatile ? Scope::kSystem : how.scope;
  const Now now{self,
                use,
                strong,
                scope,
                at,
                intern(at),
                use == Use::kRead    ? "load"
                : use == Use::kWrite ? "store"
                                     : "atomic"};
  const auto address = reinterpret_cast<uint64_t>(memory);
  if (strong && use != Use::kWrite) observe(self, address, how);
  if (use == Use::kRead) {
    for_cells(memory, bytes, [&](Cell& cell, uint64_t byte) { check_read(now, cell, byte); });
  } else {
    for_cells(memory, bytes, [&](Cell& cell, uint64_t byte) { check_write(now, cell, byte); });
  }
  if (strong && use != Use::kRead) publish(self, address, how, use == Use::kAtomic);
}

void begin_launch() {
  shadow::begin_launch();
  forget_all_published();
  forget_async_clocks();
}

void begin_block(Block& block) { shadow::forget(block.arena, kArenaBytes); }

}  // namespace softgpu::race
