// What orders memory: barriers, mbarriers, fences with atomics.
#include <algorithm>
#include <unordered_map>

#include "engine/race_order.h"

namespace softgpu::race {
namespace {

constexpr int kScopes = 3;  // block, cluster, device

int index_of(Scope scope) { return std::min(static_cast<int>(scope), kScopes - 1); }

// What was published at an address, by how far it reaches.
struct Published {
  Clock clock[kScopes];
  const void* of[kScopes] = {};  // which block, which cluster
};
std::unordered_map<uint64_t, Published> published_at;

const void* domain(const Thread& self, int scope) {
  if (scope == index_of(Scope::kBlock)) return self.block;
  return scope == index_of(Scope::kCluster) ? static_cast<const void*>(self.block->cluster)
                                            : nullptr;
}

bool acquires(Ordering ordering) {
  return ordering == Ordering::kAcquire || ordering == Ordering::kAcquireRelease;
}

bool releases(Ordering ordering) {
  return ordering == Ordering::kRelease || ordering == Ordering::kAcquireRelease;
}

int reach_of(Access how) {
  return how.ordering == Ordering::kVolatile ? kScopes - 1 : index_of(how.scope);
}

Clock snapshot(const Thread& self) {
  Clock clock = self.race.clock;
  clock.seen.see(self.block->number, self.number, self.race.time);
  return clock;
}

bool has_pending(const Thread& self) {
  return std::any_of(std::begin(self.race.pending_acquire), std::end(self.race.pending_acquire),
                     [](const Clock& clock) { return !clock.empty(); });
}

// What one thread's relaxed reads saw, all in its barrier may fence for.
void join_pending(Thread* const* threads, int count) {
  if (std::none_of(threads, threads + count, [](Thread* t) { return has_pending(*t); })) return;
  for (int scope = 0; scope < kScopes; ++scope) {
    Clock all;
    for (int i = 0; i < count; ++i) all.merge(threads[i]->race.pending_acquire[scope]);
    for (int i = 0; i < count; ++i) threads[i]->race.pending_acquire[scope] = all;
  }
}

}  // namespace

void join(Thread* const* threads, int count, const Clock& published) {
  if (!settings.race || count == 0) return;
  Clock all = published;
  uint32_t latest = 0;
  for (int i = 0; i < count; ++i) all.merge(threads[i]->race.clock);
  for (int i = 0; i < count; ++i) {
    const Thread& thread = *threads[i];
    all.seen.see(thread.block->number, thread.number, thread.race.time);
    latest = std::max(latest, thread.race.time);
  }
  join_pending(threads, count);
  // One time for all, so that what they do next is alike in the shadow.
  for (int i = 0; i < count; ++i) {
    threads[i]->race.clock = all;
    threads[i]->race.time = latest + 1;
  }
}

void release(Thread& self, Clock& into) {
  if (!settings.race) return;
  into.merge(self.race.clock);
  into.seen.see(self.block->number, self.number, self.race.time);
  ++self.race.time;
}

void acquire(Thread& self, const Clock& from) {
  if (settings.race) self.race.clock.merge(from);
}

void fence(Thread& self, Scope scope) {
  if (!settings.race) return;
  for (int i = 0; i <= index_of(scope); ++i) {
    self.race.clock.merge(self.race.pending_acquire[i]);
    self.race.pending_acquire[i] = {};
  }
  const Clock now = snapshot(self);
  for (int i = 0; i <= index_of(scope); ++i) self.race.released_by_fence[i] = now;
  ++self.race.time;
}

void observe(Thread& self, uint64_t address, Access how) {
  const auto found = published_at.find(address);
  if (found == published_at.end()) return;
  for (int scope = 0; scope <= reach_of(how); ++scope) {
    const Clock& clock = found->second.clock[scope];
    if (clock.empty() || found->second.of[scope] != domain(self, scope)) continue;
    if (acquires(how.ordering)) {
      self.race.clock.merge(clock);
    } else {
      self.race.pending_acquire[scope].merge(clock);
    }
  }
}

void publish(Thread& self, uint64_t address, Access how, bool keeps_earlier) {
  Published& published = published_at[address];
  if (!keeps_earlier) published = {};
  const bool all = releases(how.ordering);
  const Clock now = all ? snapshot(self) : Clock{};
  for (int scope = 0; scope <= reach_of(how); ++scope) {
    const Clock& clock = all ? now : self.race.released_by_fence[scope];
    if (clock.empty()) continue;
    if (published.of[scope] != domain(self, scope)) published.clock[scope] = {};
    published.of[scope] = domain(self, scope);
    published.clock[scope].merge(clock);
  }
  if (all) ++self.race.time;
}

void forget_published(uint64_t address) { published_at.erase(address); }
void forget_all_published() { published_at.clear(); }

bool happened_before(const Now& now, uint32_t block, uint32_t thread, uint32_t time) {
  const Thread& self = now.self;
  if (thread == self.number && block == self.block->number) return true;
  if (self.race.clock.seen.at(block, thread) >= time) return true;
  if (!now.strong) return false;
  return std::any_of(std::begin(self.race.pending_acquire), std::end(self.race.pending_acquire),
                     [&](const Clock& clock) { return clock.seen.at(block, thread) >= time; });
}

}  // namespace softgpu::race
