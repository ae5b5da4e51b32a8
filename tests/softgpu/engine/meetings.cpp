// Rendezvous of a warp and of a warpgroup: the last to arrive computes for all.
#include <algorithm>
#include <cstring>

#include "engine/scheduler.h"

namespace softgpu {
namespace {

bool same(Site a, Site b) {
  return a.line == b.line && (a.file == b.file || (a.file != nullptr && b.file != nullptr &&
                                                   std::strcmp(a.file, b.file) == 0));
}

bool is_aligned(const char* name) { return std::strstr(name, ".aligned") != nullptr; }

// Lanes that the block never had do not count: its last warp may be a part of one.
void check_mask(const Thread& self, uint32_t mask, const char* name, Site at) {
  if ((mask >> self.lane & 1) == 0) {
    fail(at, "%s: lane %u is not in its own mask %#010x", name, self.lane, mask);
  }
  const uint32_t gone = mask & self.warp->exited;
  if (gone != 0) {
    fail(at, "%s: mask %#010x names lane %d, which has exited", name, mask, __builtin_ctz(gone));
  }
}

Rendezvous& find_meeting(Thread& self, uint32_t mask, const char* name, WarpFunction together,
                         Site at) {
  for (Rendezvous& meeting : self.warp->meetings) {
    if (meeting.mask != mask || meeting.together != together) continue;
    if ((meeting.arrived >> self.lane & 1) != 0 || std::strcmp(meeting.name, name) != 0) continue;
    if (is_aligned(name) && !same(meeting.at, at)) {
      fail(at, "%s: another lane of the warp meets this one from %s", name,
           name_of(meeting.at).c_str());
    }
    return meeting;
  }
  Rendezvous meeting;
  meeting.mask = mask;
  meeting.together = together;
  meeting.name = name;
  meeting.at = at;
  self.warp->meetings.push_back(meeting);
  return self.warp->meetings.back();
}

}  // namespace

void meet_in_warp(Thread& self, uint32_t mask, const char* name, WarpFunction together,
                  void* argument, Site at) {
  check_mask(self, mask, name, at);
  Warp& warp = *self.warp;
  Rendezvous& meeting = find_meeting(self, mask, name, together, at);
  meeting.arguments[self.lane] = argument;
  meeting.arrived |= 1u << self.lane;
  if (meeting.arrived != (mask & warp.live)) return block_on(name, at);

  const Rendezvous complete = meeting;
  warp.meetings.erase(warp.meetings.begin() + (&meeting - warp.meetings.data()));
  together(warp, complete.arrived, complete.arguments, at);
  for (uint32_t lane = 0; lane < kWarp; ++lane) {
    if ((complete.arrived >> lane & 1) != 0 && lane != self.lane) wake(*warp.lane[lane]);
  }
  if (settings.schedule != Schedule::kFirstIn) reschedule();
}

void leave_meetings(Thread& exited) {
  for (const Rendezvous& meeting : exited.warp->meetings) {
    if ((meeting.mask >> exited.lane & 1) == 0) continue;
    fail(meeting.at, "%s: lane %u of mask %#010x exits while other lanes wait for it", meeting.name,
         exited.lane, meeting.mask);
  }
}

void meet_in_warp_group(Thread& self, const char* name, WarpGroupFunction together, void* argument,
                        Site at) {
  Block& block = *self.block;
  const uint32_t index = self.number / kWarpGroup;
  if ((index + 1) * kWarpGroup > block.threads.size()) {
    fail(at, "%s: the block has no whole warpgroup %u", name, index);
  }
  WarpGroup& group = block.warp_groups[index];
  if (group.arrived != 0 && std::strcmp(group.instruction, name) != 0) {
    fail(at, "%s: other threads of the warpgroup are in %s at %s", name, group.instruction,
         name_of(group.at).c_str());
  }
  group.instruction = name;
  group.at = at;
  group.threads[self.number % kWarpGroup] = &self;
  group.arguments[self.number % kWarpGroup] = argument;
  if (++group.arrived < kWarpGroup) return block_on(name, at);

  group.arrived = 0;
  Thread* const* threads = group.threads;
  together(block, group, threads, group.arguments, at);
  for (uint32_t i = 0; i < kWarpGroup; ++i) wake(*threads[i]);
  if (settings.schedule != Schedule::kFirstIn) reschedule();
}

}  // namespace softgpu
