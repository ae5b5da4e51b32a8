// The vector vocabulary that the formulas and loops are written in, for one lane and any machine.
// simd_avx2.h and simd_avx512.h have the same names for 8 and 16 lanes; a kernel file includes
// exactly one of the three. Everything is in an anonymous namespace, so that no function of one
// instruction set can be linked in place of another's.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "core/dtype.h"
#include "core/host_device.h"

namespace halfword {
namespace {

constexpr int kLanes = 1;

struct U16 {  // 16-bit words as they lie in memory
  uint16_t v;
};
struct U32 {  // FP32 words, counters, 16-bit words in 32 bits
  uint32_t v;
  HALFWORD_INLINE U32() = default;
  HALFWORD_INLINE U32(uint32_t x) : v(x) {}
};
struct F32 {
  float v;
  HALFWORD_INLINE F32() = default;
  HALFWORD_INLINE explicit F32(float x) : v(x) {}
};
struct Mask {
  bool v;
};

HALFWORD_INLINE U32 operator+(U32 a, U32 b) { return a.v + b.v; }
HALFWORD_INLINE U32 operator&(U32 a, U32 b) { return a.v & b.v; }
HALFWORD_INLINE U32 operator|(U32 a, U32 b) { return a.v | b.v; }
HALFWORD_INLINE U32 operator^(U32 a, U32 b) { return a.v ^ b.v; }
HALFWORD_INLINE U32 operator<<(U32 a, int n) { return a.v << n; }
HALFWORD_INLINE U32 operator>>(U32 a, int n) { return a.v >> n; }
HALFWORD_INLINE U32 select(Mask m, U32 a, U32 b) { return m.v ? a : b; }

// 32-bit words for the random generator, one call a lane.
constexpr int kCallLanes = 1;
struct CallWord {
  uint32_t v;
  HALFWORD_INLINE CallWord() = default;
  HALFWORD_INLINE CallWord(uint32_t x) : v(x) {}
};
HALFWORD_INLINE CallWord operator^(CallWord a, CallWord b) { return a.v ^ b.v; }
HALFWORD_INLINE CallWord counting_from(uint32_t first) { return first; }
HALFWORD_INLINE CallWord multiply_wide(CallWord a, uint32_t b, CallWord* high) {
  const uint64_t product = static_cast<uint64_t>(a.v) * b;
  *high = static_cast<uint32_t>(product >> 32);
  return static_cast<uint32_t>(product);
}
// The four words of each call behind one another.
HALFWORD_INLINE void store_calls(uint32_t* p, const CallWord (&word)[4]) {
  for (int w = 0; w < 4; ++w) p[w] = word[w].v;
}

HALFWORD_INLINE F32 operator+(F32 a, F32 b) { return F32(a.v + b.v); }
HALFWORD_INLINE F32 operator-(F32 a, F32 b) { return F32(a.v - b.v); }
HALFWORD_INLINE F32 operator*(F32 a, F32 b) { return F32(a.v * b.v); }
HALFWORD_INLINE F32 operator/(F32 a, F32 b) { return F32(a.v / b.v); }
HALFWORD_INLINE F32 fma(F32 a, F32 b, F32 c) { return F32(std::fma(a.v, b.v, c.v)); }
HALFWORD_INLINE F32 sqrt(F32 a) { return F32(std::sqrt(a.v)); }
HALFWORD_INLINE F32 negate(F32 a) { return F32(-a.v); }
HALFWORD_INLINE F32 select(Mask m, F32 a, F32 b) { return m.v ? a : b; }

HALFWORD_INLINE Mask exceeds(F32 a, F32 b) { return {!(a.v <= b.v)}; }  // true if either is NaN
HALFWORD_INLINE Mask is_nan(F32 a) { return {a.v != a.v}; }
HALFWORD_INLINE Mask is_finite(F32 a) { return {a.v - a.v == 0.0f}; }

HALFWORD_INLINE U32 bits(F32 a) {
  U32 word;
  std::memcpy(&word.v, &a.v, 4);
  return word;
}
template <class F>
HALFWORD_INLINE F from_bits(U32 word) {
  F a;
  std::memcpy(&a.v, &word.v, 4);
  return a;
}

HALFWORD_INLINE U16 load_halves(const uint16_t* p) { return {*p}; }
HALFWORD_INLINE void store_halves(uint16_t* p, U16 a) { *p = a.v; }
HALFWORD_INLINE void stream_halves(uint16_t* p, U16 a) { *p = a.v; }
HALFWORD_INLINE void finish_streaming() {}

HALFWORD_INLINE U32 widen(U16 a) { return uint32_t{a.v}; }
HALFWORD_INLINE U32 widen_signed(U16 a) {
  return static_cast<uint32_t>(static_cast<int32_t>(static_cast<int16_t>(a.v)));
}
HALFWORD_INLINE U16 narrow(U32 a) { return {static_cast<uint16_t>(a.v)}; }

HALFWORD_INLINE F32 load_floats(const float* p) { return F32(*p); }
HALFWORD_INLINE void store_floats(float* p, F32 a) { *p = a.v; }
HALFWORD_INLINE Mask load_nonzero(const uint8_t* p) { return {*p != 0}; }

// float16 words to FP32: exact, subnormals included. NaN stays NaN.
HALFWORD_INLINE F32 float_from_float16(U16 half) {
  const uint32_t sign = (half.v & 0x8000u) << 16;
  const uint32_t magnitude = half.v & 0x7fffu;
  if (magnitude < 0x400u) {  // subnormal or zero: a multiple of 2^-24
    return from_bits<F32>(U32(sign | bits(F32(static_cast<float>(magnitude) * 0x1p-24f)).v));
  }
  const uint32_t exponent_shift = magnitude < 0x7c00u ? (127u - 15u) << 23 : (255u - 31u) << 23;
  const uint32_t quiet = magnitude > 0x7c00u ? 0x400000u : 0u;
  return from_bits<F32>(U32(sign | ((magnitude << 13) + exponent_shift) | quiet));
}

// FP32 to float16 words, rounded to nearest even; overflow gives inf, NaN stays NaN.
HALFWORD_INLINE uint32_t float16_word(F32 a) {
  const uint32_t word = bits(a).v;
  const uint32_t sign = (word >> 16) & 0x8000u;
  const uint32_t magnitude = word & kFloat32Magnitude;
  if (magnitude > kFloat32Infinity) return sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu);
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;  // 65520 and up round to inf
  if (magnitude < 0x38800000u) {  // below 2^-14: adding 0.5 rounds at the last bit of a subnormal
    const float shifted = from_bits<F32>(U32(magnitude)).v + 0.5f;
    return sign | (bits(F32(shifted)).v - 0x3f000000u);
  }
  const uint32_t odd = (magnitude >> 13) & 1u;
  return sign | ((magnitude - ((127u - 15u) << 23) + 0xfffu + odd) >> 13);
}
HALFWORD_INLINE U16 float16_nearest(F32 a) { return {static_cast<uint16_t>(float16_word(a))}; }

// Adds the lanes in halves of each eight consecutive floats: sums[i] of lanes[8 i ... 8 i + 7],
// in the order ((0 + 4) + (2 + 6)) + ((1 + 5) + (3 + 7)). `eights` is a multiple of 16.
HALFWORD_INLINE void add_eights(const float* lanes, float* sums, int64_t eights) {
  for (int64_t i = 0; i < eights; ++i, lanes += 8) {
    sums[i] = ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
              ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
  }
}

// The largest magnitude of count 16-bit or 32-bit words, as an integer. count: multiple of 16.
HALFWORD_INLINE uint32_t largest_half(const uint16_t* p, int64_t count) {
  uint16_t largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    const auto magnitude = static_cast<uint16_t>(p[i] & 0x7fffu);
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}
HALFWORD_INLINE uint32_t largest_word(const uint32_t* p, int64_t count) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t magnitude = p[i] & kFloat32Magnitude;
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}

// For quantizers. Of two numbers the larger or smaller; b if either is NaN.
HALFWORD_INLINE F32 maximum(F32 a, F32 b) { return a.v > b.v ? a : b; }
HALFWORD_INLINE F32 minimum(F32 a, F32 b) { return a.v < b.v ? a : b; }
HALFWORD_INLINE U32 maximum(U32 a, U32 b) { return a.v > b.v ? a : b; }  // unsigned
HALFWORD_INLINE Mask is_less(F32 a, F32 b) { return {a.v < b.v}; }       // false if either is NaN
HALFWORD_INLINE F32 magnitude(F32 a) { return F32(std::fabs(a.v)); }
HALFWORD_INLINE F32 round_even(F32 a) { return F32(std::nearbyint(a.v)); }
HALFWORD_INLINE F32 round_down(F32 a) { return F32(std::floor(a.v)); }
// Integers in two's complement: from a number that is one, of less than 2^31; to the nearest float.
HALFWORD_INLINE U32 to_integer(F32 a) { return static_cast<uint32_t>(static_cast<int32_t>(a.v)); }
HALFWORD_INLINE F32 from_integer(U32 a) {
  return F32(static_cast<float>(static_cast<int32_t>(a.v)));
}
HALFWORD_INLINE U32 operator-(U32 a, U32 b) { return a.v - b.v; }
HALFWORD_INLINE U32 operator*(U32 a, U32 b) { return a.v * b.v; }  // modulo 2^32
HALFWORD_INLINE U32 load_words(const uint32_t* p) { return *p; }
HALFWORD_INLINE void store_words(uint32_t* p, U32 a) { *p = a.v; }
// Signed bytes to words, and the low bytes of words.
HALFWORD_INLINE U32 load_bytes(const int8_t* p) {
  return static_cast<uint32_t>(static_cast<int32_t>(*p));
}
HALFWORD_INLINE void store_bytes(int8_t* p, U32 a) { *p = static_cast<int8_t>(a.v); }
// Over the lanes: the largest, and the sum modulo 2^32.
HALFWORD_INLINE uint32_t largest_lane(U32 a) { return a.v; }
HALFWORD_INLINE uint32_t sum_of_lanes(U32 a) { return a.v; }

}  // namespace
}  // namespace halfword
