// A sum whose order of additions does not depend on the machine: lane l of 2048 adds elements l,
// l + 2048, ... in order; each eight lanes are added in halves, then the 256 sums of the eights.
// Include after one of the simd_*.h headers.
#pragma once

#include <cstdint>

namespace halfword {
namespace {

class LaneSum {
 public:
  static constexpr int64_t kTreeLanes = 2048;

  // Element i and the rest of its vector; in the order of i, from 0 on.
  HALFWORD_INLINE void add(int64_t i, F32 x) { store_floats(lane(i), before(i) + x); }
  HALFWORD_INLINE void add_square(int64_t i, F32 x) { store_floats(lane(i), fma(x, x, before(i))); }

  // Of `count` elements, a multiple of kLanes.
  HALFWORD_INLINE float total(int64_t count) {
    const int64_t active = count < kTreeLanes ? count : kTreeLanes;
    const int64_t padded = (active + 127) / 128 * 128;  // add_eights takes 16 eights at once
    for (int64_t l = active; l < padded; ++l) lanes_[l] = 0.0f;
    add_eights(lanes_, sums_, padded / 8);
    return add_halves(padded / 8);
  }

 private:
  static constexpr int64_t kEights = kTreeLanes / 8;

  HALFWORD_INLINE float* lane(int64_t i) { return lanes_ + i % kTreeLanes; }
  HALFWORD_INLINE F32 before(int64_t i) {
    return i < kTreeLanes ? F32(0.0f) : load_floats(lane(i));
  }

  // What lies past the first `eights` sums counts as 0.
  HALFWORD_INLINE float add_halves(int64_t eights) {
    for (int64_t half = kEights / 2; half > 0; half /= 2) {
      for (int64_t i = 0; i + half < eights; ++i) sums_[i] += sums_[i + half];
      if (eights > half) eights = half;
    }
    return eights > 0 ? sums_[0] : 0.0f;
  }

  alignas(64) float lanes_[kTreeLanes];
  alignas(64) float sums_[kEights];
};

}  // namespace
}  // namespace halfword
