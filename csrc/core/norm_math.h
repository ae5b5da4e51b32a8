// How a row is normed, written once.
#pragma once

#include "core/host_device.h"
#include "core/quantize_math.h"

namespace halfword {

// What differences from the mean are multiplied by; deviation: sqrt(second moment + eps). NaN where
// the moment is too large for a float: all of the row would come out as 0.
HALFWORD_INLINE float inverse_deviation(float deviation) {
  return is_finite_word(float_word(deviation)) ? 1.0f / deviation : kQuietNan;
}

// Over a vector type F (see cpu/simd_portable.h).
template <class F>
HALFWORD_INLINE F normed(F h, F center, F inv_deviation, F weight) {
  return (h - center) * inv_deviation * weight;
}

}  // namespace halfword
