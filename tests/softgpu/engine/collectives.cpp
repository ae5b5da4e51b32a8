#include "engine/collectives.h"

#include <algorithm>

#include "engine/scheduler.h"

namespace softgpu {
namespace {

template <class Argument>
Argument& argument_of(void* const* arguments, uint32_t lane) {
  return *static_cast<Argument*>(arguments[lane]);
}

template <class Visit>
void for_lanes(uint32_t mask, Visit visit) {
  for (; mask != 0; mask &= mask - 1) visit(static_cast<uint32_t>(__builtin_ctz(mask)));
}

struct ShuffleArgument {
  Shuffle mode;
  uint32_t value;
  uint32_t b;
  uint32_t c;
  Shuffled result;
};

struct Source {
  uint32_t lane;
  bool in_range;
};

// The formula of the instruction's description: segments by the mask in c, clamped by its low bits.
Source shuffle_source(const ShuffleArgument& argument, uint32_t lane) {
  const uint32_t b = argument.b & 31;
  const uint32_t clamp = argument.c & 31;
  const uint32_t segment = argument.c >> 8 & 31;
  const uint32_t last = (lane & segment) | (clamp & ~segment);
  const uint32_t first = lane & segment;
  const auto signed_lane = static_cast<int32_t>(lane);
  int32_t source = 0;
  bool in_range = false;
  switch (argument.mode) {
    case Shuffle::kUp:
      source = signed_lane - static_cast<int32_t>(b);
      in_range = source >= static_cast<int32_t>(last);
      break;
    case Shuffle::kDown:
      source = signed_lane + static_cast<int32_t>(b);
      in_range = source <= static_cast<int32_t>(last);
      break;
    case Shuffle::kButterfly:
      source = static_cast<int32_t>(lane ^ b);
      in_range = source <= static_cast<int32_t>(last);
      break;
    case Shuffle::kIndex:
      source = static_cast<int32_t>(first | (b & ~segment));
      in_range = source <= static_cast<int32_t>(last);
      break;
  }
  return {in_range ? static_cast<uint32_t>(source) : lane, in_range};
}

void shuffle_together(Warp&, uint32_t mask, void* const* arguments, Site at) {
  for_lanes(mask, [&](uint32_t lane) {
    auto& argument = argument_of<ShuffleArgument>(arguments, lane);
    const Source source = shuffle_source(argument, lane);
    if ((mask >> source.lane & 1) == 0) {
      fail(at, "shfl.sync: lane %u reads lane %u, which does not take part (mask %#010x)", lane,
           source.lane, mask);
    }
    argument.result = {argument_of<ShuffleArgument>(arguments, source.lane).value, source.in_range};
  });
}

struct Ballot {
  bool predicate;
  uint32_t lanes;  // with a true predicate
  uint32_t mask;   // of those that took part
};

void vote_together(Warp&, uint32_t mask, void* const* arguments, Site) {
  uint32_t lanes = 0;
  for_lanes(mask, [&](uint32_t lane) {
    if (argument_of<Ballot>(arguments, lane).predicate) lanes |= 1u << lane;
  });
  for_lanes(mask, [&](uint32_t lane) {
    argument_of<Ballot>(arguments, lane).lanes = lanes;
    argument_of<Ballot>(arguments, lane).mask = mask;
  });
}

Ballot vote(Thread& self, const char* name, bool predicate, uint32_t mask, Site at) {
  Ballot ballot{predicate, 0, 0};
  meet_in_warp(self, mask, name, vote_together, &ballot, at);
  return ballot;
}

struct MatchArgument {
  uint64_t value;
  uint32_t equal;  // lanes with the same value
  uint32_t mask;
};

void match_together(Warp&, uint32_t mask, void* const* arguments, Site) {
  for_lanes(mask, [&](uint32_t lane) {
    auto& argument = argument_of<MatchArgument>(arguments, lane);
    argument.equal = 0;
    argument.mask = mask;
    for_lanes(mask, [&](uint32_t other) {
      if (argument_of<MatchArgument>(arguments, other).value == argument.value) {
        argument.equal |= 1u << other;
      }
    });
  });
}

struct ReduceArgument {
  Reduction operation;
  uint32_t value;
  uint32_t result;
};

uint32_t combine(Reduction operation, uint32_t a, uint32_t b) {
  const auto signed_a = static_cast<int32_t>(a);
  const auto signed_b = static_cast<int32_t>(b);
  switch (operation) {
    case Reduction::kAdd: return a + b;
    case Reduction::kMinSigned: return static_cast<uint32_t>(std::min(signed_a, signed_b));
    case Reduction::kMaxSigned: return static_cast<uint32_t>(std::max(signed_a, signed_b));
    case Reduction::kMin: return std::min(a, b);
    case Reduction::kMax: return std::max(a, b);
    case Reduction::kAnd: return a & b;
    case Reduction::kOr: return a | b;
    case Reduction::kXor: return a ^ b;
  }
  __builtin_unreachable();
}

void reduce_together(Warp&, uint32_t mask, void* const* arguments, Site) {
  const auto first = static_cast<uint32_t>(__builtin_ctz(mask));
  uint32_t result = argument_of<ReduceArgument>(arguments, first).value;
  for_lanes(mask & (mask - 1), [&](uint32_t lane) {
    const auto& argument = argument_of<ReduceArgument>(arguments, lane);
    result = combine(argument.operation, result, argument.value);
  });
  for_lanes(mask,
            [&](uint32_t lane) { argument_of<ReduceArgument>(arguments, lane).result = result; });
}

void elect_together(Warp&, uint32_t mask, void* const* arguments, Site) {
  for_lanes(mask, [&](uint32_t lane) {
    argument_of<uint32_t>(arguments, lane) = static_cast<uint32_t>(__builtin_ctz(mask));
  });
}

void sync_together(Warp& warp, uint32_t mask, void* const*, Site) {
  Thread* threads[kWarp];
  int count = 0;
  for_lanes(mask, [&](uint32_t lane) { threads[count++] = warp.lane[lane]; });
  race::join(threads, count);
}

}  // namespace

Shuffled shuffle(Thread& self, Shuffle mode, uint32_t value, uint32_t b, uint32_t c, uint32_t mask,
                 Site at) {
  static constexpr const char* kNames[] = {"shfl.sync.up", "shfl.sync.down", "shfl.sync.bfly",
                                           "shfl.sync.idx"};
  ShuffleArgument argument{mode, value, b, c, {}};
  meet_in_warp(self, mask, kNames[static_cast<int>(mode)], shuffle_together, &argument, at);
  return argument.result;
}

bool vote_any(Thread& self, bool predicate, uint32_t mask, Site at) {
  return vote(self, "vote.sync.any", predicate, mask, at).lanes != 0;
}

bool vote_all(Thread& self, bool predicate, uint32_t mask, Site at) {
  const Ballot ballot = vote(self, "vote.sync.all", predicate, mask, at);
  return ballot.lanes == ballot.mask;
}

bool vote_uniform(Thread& self, bool predicate, uint32_t mask, Site at) {
  const Ballot ballot = vote(self, "vote.sync.uni", predicate, mask, at);
  return ballot.lanes == 0 || ballot.lanes == ballot.mask;
}

uint32_t vote_ballot(Thread& self, bool predicate, uint32_t mask, Site at) {
  return vote(self, "vote.sync.ballot", predicate, mask, at).lanes;
}

uint32_t match_any(Thread& self, uint64_t value, uint32_t mask, Site at) {
  MatchArgument argument{value, 0, 0};
  meet_in_warp(self, mask, "match.any.sync", match_together, &argument, at);
  return argument.equal;
}

Matched match_all(Thread& self, uint64_t value, uint32_t mask, Site at) {
  MatchArgument argument{value, 0, 0};
  meet_in_warp(self, mask, "match.all.sync", match_together, &argument, at);
  const bool all = argument.equal == argument.mask;
  return {all ? argument.mask : 0, all};
}

uint32_t reduce(Thread& self, Reduction operation, uint32_t value, uint32_t mask, Site at) {
  static constexpr const char* kNames[] = {
      "redux.sync.add",     "redux.sync.min.s32", "redux.sync.max.s32", "redux.sync.min.u32",
      "redux.sync.max.u32", "redux.sync.and",     "redux.sync.or",      "redux.sync.xor"};
  ReduceArgument argument{operation, value, 0};
  meet_in_warp(self, mask, kNames[static_cast<int>(operation)], reduce_together, &argument, at);
  return argument.result;
}

Elected elect(Thread& self, uint32_t mask, Site at) {
  uint32_t lane = 0;
  meet_in_warp(self, mask, "elect.sync", elect_together, &lane, at);
  return {lane, lane == self.lane};
}

void warp_sync(Thread& self, uint32_t mask, Site at) {
  meet_in_warp(self, mask, "__syncwarp", sync_together, nullptr, at);
}

uint32_t active_mask(Thread& self) { return 1u << self.lane; }

}  // namespace softgpu
