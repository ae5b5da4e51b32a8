// Element types, and how 16-bit floats are rounded to and read from FP32.
//
// The conversions are written over a vector type F and its words (see cpu/simd_portable.h for the
// vocabulary), so that they stand here once for every instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/host_device.h"

namespace halfword {

enum class Dtype : int32_t { kFloat32, kBFloat16, kFloat16 };

constexpr size_t element_size(Dtype dtype) { return dtype == Dtype::kFloat32 ? 4 : 2; }

constexpr uint32_t kFloat32Infinity = 0x7f800000u;
constexpr uint32_t kFloat32Magnitude = 0x7fffffffu;

// x rounded to bfloat16, to nearest even, in the high half of a word; NaN stays NaN. What is in the
// low half means nothing.
template <class F>
HALFWORD_INLINE auto bfloat16_in_high_half(F x) {
  const auto word = bits(x);
  const auto odd = (word >> 16) & 1u;
  const auto rounded = word + 0x7fffu + odd;
  const auto quiet_nan = word | 0x400000u;
  return select(is_nan(x), quiet_nan, rounded);
}

// Its bits.
template <class F>
HALFWORD_INLINE auto bfloat16_nearest(F x) {
  return bfloat16_in_high_half(x) >> 16;
}

// bfloat16 bits of x, rounded up with the probability that the cut-off bits stand for: `random` is
// uniform in [0, 2^16). A value that bfloat16 holds is unchanged. Inf stays, and so does a NaN that
// arithmetic made, which is a quiet one.
template <class F, class U>
HALFWORD_INLINE U bfloat16_stochastic(F x, U random) {
  return (bits(x) + select(is_finite(x), random, U(0u))) >> 16;
}

// An FP32 value as a bfloat16 and a 16-bit remainder that together are exactly that value:
//
//   word = (high << 16) + sign_extend(low)
//
// so `high` is word rounded to nearest with ties away from zero, and `low` what that rounding cut.
// NaN becomes the quiet NaN, whose remainder is 0: adding the half could carry it into zero.
template <class U>
struct SplitWord {
  U high;  // bfloat16 bits
  U low;   // 16 bits
};

template <class F>
HALFWORD_INLINE auto split_word(F x) {
  using U = decltype(bits(x));
  const U word = select(is_nan(x), U(0x7fc00000u), bits(x));
  return SplitWord<U>{(word + 0x8000u) >> 16, word & 0xffffu};
}

template <class F, class U>
HALFWORD_INLINE F join_word(U high, U sign_extended_low) {
  return from_bits<F>((high << 16) + sign_extended_low);
}

}  // namespace halfword
