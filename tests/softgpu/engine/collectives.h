// Warp-wide instructions on 32-bit values. The lanes of `mask` wait for one another and compute
// together. A lane outside its own mask, an exited lane inside, and a lane that reads one which
// does not take part are errors. None of them but warp_sync orders memory.
#pragma once

#include <cstdint>

#include "engine/site.h"

namespace softgpu {

struct Thread;

enum class Shuffle : uint8_t { kUp, kDown, kButterfly, kIndex };
struct Shuffled {
  uint32_t value;
  bool in_range;  // the predicate output: the source lane was inside the segment
};
// shfl.sync.mode.b32 value|in_range, value, b, c, mask: c is clamp | segment mask << 8.
Shuffled shuffle(Thread& self, Shuffle mode, uint32_t value, uint32_t b, uint32_t c, uint32_t mask,
                 Site at);

// vote.sync
bool vote_any(Thread& self, bool predicate, uint32_t mask, Site at);
bool vote_all(Thread& self, bool predicate, uint32_t mask, Site at);
bool vote_uniform(Thread& self, bool predicate, uint32_t mask, Site at);
uint32_t vote_ballot(Thread& self, bool predicate, uint32_t mask, Site at);

// match.sync on b32 or b64 values
uint32_t match_any(Thread& self, uint64_t value, uint32_t mask, Site at);
struct Matched {
  uint32_t mask;  // 0 unless all
  bool all;
};
Matched match_all(Thread& self, uint64_t value, uint32_t mask, Site at);

// redux.sync
enum class Reduction : uint8_t { kAdd, kMinSigned, kMaxSigned, kMin, kMax, kAnd, kOr, kXor };
uint32_t reduce(Thread& self, Reduction operation, uint32_t value, uint32_t mask, Site at);

// elect.sync lane|elected, mask
struct Elected {
  uint32_t lane;
  bool self;
};
Elected elect(Thread& self, uint32_t mask, Site at);

// bar.warp.sync: __syncwarp
void warp_sync(Thread& self, uint32_t mask, Site at);

// activemask: which lanes happen to run together. Here a lane always runs alone.
uint32_t active_mask(Thread& self);

}  // namespace softgpu
