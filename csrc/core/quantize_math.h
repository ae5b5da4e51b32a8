// How a real number becomes a code of 2 to 8 bits, and what the code stands for, written once.
//
// Scalars of a block are floats; what is done to every element is written over a vector type F and
// its words (see cpu/simd_portable.h for the vocabulary).
#pragma once

#include <cstdint>
#include <cstring>

#include "core/dtype.h"
#include "core/host_device.h"
#include "core/philox.h"

namespace halfword {

// Of b bits, where Q = 2^(b-1) - 1:
//   symmetric  codes [-Q, Q],      value = code * scale
//   affine     codes [-Q - 1, Q],  value = (code - zero_point) * scale
//   log2       codes [-Q, Q],      value = sign(code) * scale * 2^(|code| - Q), 0 for code 0
enum class Mapping : int32_t { kSymmetric, kAffine, kLog2 };

struct CodeRange {
  float lowest;
  float highest;
};

HALFWORD_INLINE CodeRange code_range(Mapping mapping, int bits) {
  const auto highest = static_cast<float>((1 << (bits - 1)) - 1);
  return {mapping == Mapping::kAffine ? -highest - 1.0f : -highest, highest};
}

// What a block's elements are quantized with. 1 / scale is taken once, so that a computed scale and
// the same scale given give the same codes; NaN makes every code the one of zero.
struct BlockScale {
  float scale;
  float inv;
  float zero_point;  // an integer; 0 but for affine
};

constexpr float kQuietNan = __builtin_nanf("");

HALFWORD_INLINE uint32_t float_word(float x) {
  uint32_t word;
  memcpy(&word, &x, sizeof word);
  return word;
}
HALFWORD_INLINE float word_float(uint32_t word) {
  float x;
  memcpy(&x, &word, sizeof x);
  return x;
}
HALFWORD_INLINE bool is_finite_word(uint32_t word) {
  return (word & kFloat32Magnitude) < kFloat32Infinity;
}

// 1 / scale, or 0 where that is too large for a float: a scale of 0 is that of a block of zeros.
HALFWORD_INLINE float inverse_scale(float scale) {
  const float inv = 1.0f / scale;
  return (float_word(inv) & kFloat32Magnitude) == kFloat32Infinity ? 0.0f : inv;
}

// A zero point need not be a code. One past kLastZeroPoint counts as that, so that floats hold all
// sums with it.
constexpr float kLastZeroPoint = 0x1p20f;
HALFWORD_INLINE BlockScale given_scale(float scale, float zero_point) {
  if (zero_point > kLastZeroPoint) zero_point = kLastZeroPoint;
  if (zero_point < -kLastZeroPoint) zero_point = -kLastZeroPoint;
  return {scale, inverse_scale(scale), zero_point};
}

// What is known of a block's elements. The largest magnitude is compared as an integer, which
// orders NaN above inf and inf above all numbers, where a float maximum would drop NaN. The range
// is that of the elements and 0.
struct BlockRange {
  uint32_t largest = 0;  // bits of |x|
  float low = 0.0f;      // for affine only
  float high = 0.0f;
};

// The range of two parts of a block together. Choices, not branches: which part is ahead is chance.
HALFWORD_INLINE void merge_range(const BlockRange& part, BlockRange* range) {
  range->largest = part.largest > range->largest ? part.largest : range->largest;
  range->low = part.low < range->low ? part.low : range->low;
  range->high = part.high > range->high ? part.high : range->high;
}

// A block with a NaN or inf: scale NaN. One of zeros, or so small that 1 / scale is too large: 0.
HALFWORD_INLINE BlockScale finish_scale(const BlockRange& range, float scale, float zero_point) {
  if (range.largest >= kFloat32Infinity) return {kQuietNan, kQuietNan, 0.0f};
  const float inv = inverse_scale(scale);
  if (inv == 0.0f) return {0.0f, 0.0f, 0.0f};
  return {scale, inv, zero_point};
}

// From here on floats are integers, and the last bits of the word count them.
constexpr float kFirstIntegers = 0x1.8p23f;

// Rounds to an integer, ties to even; |x| < 2^22.
HALFWORD_INLINE float nearest_integer(float x) { return (x + kFirstIntegers) - kFirstIntegers; }

// symmetric: max|x| / Q.  log2: max|x|.
// affine: (high - low) / (2^b - 1) in double, rounded once; the zero point is lowest - low / scale,
// rounded and clamped.
HALFWORD_INLINE BlockScale compute_scale(const BlockRange& range, Mapping mapping, int bits) {
  const CodeRange codes = code_range(mapping, bits);
  if (mapping == Mapping::kLog2) return finish_scale(range, word_float(range.largest), 0.0f);
  if (mapping == Mapping::kSymmetric) {
    return finish_scale(range, word_float(range.largest) / codes.highest, 0.0f);
  }
  const double width = static_cast<double>(range.high) - static_cast<double>(range.low);
  const auto scale = static_cast<float>(width / (codes.highest - codes.lowest));
  BlockScale block = finish_scale(range, scale, 0.0f);
  if (block.scale > 0.0f) {
    const float zero_point = codes.lowest - nearest_integer(range.low * block.inv);
    block.zero_point = zero_point > codes.highest ? codes.highest : zero_point;
  }
  return block;
}

// Which random bits round a tensor stochastically: those of element row * cols + col. No Adam step
// has this number.
enum QuantizePurpose : uint32_t { kRowCodeBits, kTransposedCodeBits };
HALFWORD_INLINE RandomStream quantize_random(uint64_t seed, uint32_t purpose) {
  return {seed, {0xffffffffu, purpose}};
}

// t, clamped so that its code is in range; 0 for NaN.
template <class F>
HALFWORD_INLINE F clamp_to_codes(F t, F zero_point, CodeRange codes) {
  t = select(is_nan(t), F(0.0f), t);
  t = maximum(t, F(codes.lowest) - zero_point);
  return minimum(t, F(codes.highest) - zero_point);
}

// t rounded up with the probability of the part cut off, in steps of 2^-16; an integer stays what
// it is. random: uniform in [0, 2^16).
template <class F, class U>
HALFWORD_INLINE F round_stochastic(F t, U random) {
  const F below = round_down(t);
  const F chance = fma(from_integer(random), F(0x1p-16f), F(0x1p-17f));
  return below + select(is_less(chance, t - below), F(1.0f), F(0.0f));
}

// The code of x, an integer as a float:
//   clamp(round(x * inv) + zero_point, lowest, highest)
template <class F>
HALFWORD_INLINE F linear_code(F x, F inv, F zero_point, CodeRange codes) {
  return round_even(clamp_to_codes(x * inv, zero_point, codes)) + zero_point;
}
template <class F, class U>
HALFWORD_INLINE F linear_code_stochastic(F x, F inv, F zero_point, CodeRange codes, U random) {
  return round_stochastic(clamp_to_codes(x * inv, zero_point, codes), random) + zero_point;
}

// sign(x) * clamp(round(log2(|x * inv|)) + Q, 1, Q); 0 if x * inv is 0 or NaN. The logarithm rounds
// up from a mantissa of sqrt(2) on, which no float is, so that integer arithmetic has it exactly.
template <class F>
HALFWORD_INLINE F log2_code(F x, F inv, CodeRange codes) {
  constexpr uint32_t kRootOfTwo = 0x3504f4u;  // the least mantissa above it
  const F r = magnitude(x * inv);
  const auto exponent = (bits(r) + (0x800000u - kRootOfTwo)) >> 23;
  F code = from_integer(exponent) + F(codes.highest - 127.0f);
  code = minimum(maximum(code, F(1.0f)), F(codes.highest));
  const F zero(0.0f);
  code = select(is_less(zero, r), code, zero);  // false for NaN
  return select(is_less(x * inv, zero), zero - code, code);
}

// What a code, as a float, stands for.
template <class F>
HALFWORD_INLINE F linear_value(F code, F scale, F zero_point) {
  return (code - zero_point) * scale;
}

template <class F>
HALFWORD_INLINE F log2_value(F code, F scale, CodeRange codes) {
  const F power = magnitude(code) + F(127.0f - codes.highest);
  const F zero(0.0f);
  F value = from_bits<F>(to_integer(power) << 23);
  value = select(is_less(code, zero), zero - value, value);
  return select(is_less(zero, magnitude(code)), value, zero) * scale;
}

}  // namespace halfword
