// Which bin a number is in, written once.
#pragma once

#include <cstdint>

#include "core/host_device.h"

namespace halfword {

// The bin of x as the integer part of a float; float(bins) where x is NaN or outside [low, high]. F
// is a vector type (see cpu/simd_portable.h for the vocabulary).
template <class F>
HALFWORD_INLINE F histogram_bin(F x, float low, float width_inverse, float high, int64_t bins) {
  const F outside(static_cast<float>(bins));
  F bin = minimum((x - F(low)) * F(width_inverse), F(static_cast<float>(bins - 1)));
  bin = select(is_less(x, F(low)), outside, bin);
  return select(exceeds(x, F(high)), outside, bin);
}

}  // namespace halfword
