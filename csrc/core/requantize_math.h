// From an INT32 sum to a code by integers alone, written once.
#pragma once

#include <cstdint>

#include "core/host_device.h"

namespace halfword {

// The real factor multiplier * 2^(-31 - shift) in the form of the formula: a shift right by
// 0 ... 62 bits, and the half that is added before it.
struct FixedPoint {
  int64_t multiplier;
  int64_t half;
  int right;
};

HALFWORD_INLINE FixedPoint fixed_point(int32_t multiplier, int32_t shift) {
  const int right = 31 + (shift < -31 ? -31 : shift > 31 ? 31 : shift);
  return {multiplier, right == 0 ? 0 : int64_t{1} << (right - 1), right};
}

// |acc * multiplier| <= 2^62 and half <= 2^61: nothing overflows.
HALFWORD_INLINE int64_t requantized(int32_t acc, const FixedPoint& factor, int64_t zero_point,
                                    int64_t lowest, int64_t highest) {
  const int64_t y = ((acc * factor.multiplier + factor.half) >> factor.right) + zero_point;
  return y < lowest ? lowest : y > highest ? highest : y;
}

}  // namespace halfword
