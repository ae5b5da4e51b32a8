// The vector vocabulary of simd_portable.h for AVX2 with FMA and F16C: 8 lanes.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "core/dtype.h"
#include "core/host_device.h"

namespace halfword {
namespace {

constexpr int kLanes = 8;

struct U16 {
  __m128i v;
};
struct U32 {
  __m256i v;
  HALFWORD_INLINE U32() = default;
  HALFWORD_INLINE U32(__m256i x) : v(x) {}
  HALFWORD_INLINE U32(uint32_t x) : v(_mm256_set1_epi32(static_cast<int>(x))) {}
};
struct F32 {
  __m256 v;
  HALFWORD_INLINE F32() = default;
  HALFWORD_INLINE F32(__m256 x) : v(x) {}
  HALFWORD_INLINE explicit F32(float x) : v(_mm256_set1_ps(x)) {}
};
struct Mask {  // all bits of a lane, or none
  __m256 v;
};

HALFWORD_INLINE U32 operator+(U32 a, U32 b) { return _mm256_add_epi32(a.v, b.v); }
HALFWORD_INLINE U32 operator&(U32 a, U32 b) { return _mm256_and_si256(a.v, b.v); }
HALFWORD_INLINE U32 operator|(U32 a, U32 b) { return _mm256_or_si256(a.v, b.v); }
HALFWORD_INLINE U32 operator^(U32 a, U32 b) { return _mm256_xor_si256(a.v, b.v); }
HALFWORD_INLINE U32 operator<<(U32 a, int n) { return _mm256_slli_epi32(a.v, n); }
HALFWORD_INLINE U32 operator>>(U32 a, int n) { return _mm256_srli_epi32(a.v, n); }
HALFWORD_INLINE F32 select(Mask m, F32 a, F32 b) { return _mm256_blendv_ps(b.v, a.v, m.v); }
HALFWORD_INLINE U32 select(Mask m, U32 a, U32 b) {
  return _mm256_blendv_epi8(b.v, a.v, _mm256_castps_si256(m.v));
}

// Four words, each in the low half of a 64-bit lane; what is above them is ignored.
constexpr int kCallLanes = 4;
struct CallWord {
  __m256i v;
  HALFWORD_INLINE CallWord() = default;
  HALFWORD_INLINE CallWord(__m256i x) : v(x) {}
  HALFWORD_INLINE CallWord(uint32_t x) : v(_mm256_set1_epi32(static_cast<int>(x))) {}
};
HALFWORD_INLINE CallWord operator^(CallWord a, CallWord b) { return _mm256_xor_si256(a.v, b.v); }
HALFWORD_INLINE CallWord counting_from(uint32_t first) {
  return _mm256_add_epi32(CallWord(first).v, _mm256_setr_epi64x(0, 1, 2, 3));
}
HALFWORD_INLINE CallWord multiply_wide(CallWord a, uint32_t b, CallWord* high) {
  const __m256i product = _mm256_mul_epu32(a.v, CallWord(b).v);
  *high = _mm256_srli_epi64(product, 32);
  return product;
}
HALFWORD_INLINE __m256i join_words(CallWord low, CallWord high) {
  return _mm256_blend_epi32(low.v, _mm256_slli_epi64(high.v, 32), 0xaa);
}
HALFWORD_INLINE void store_calls(uint32_t* p, const CallWord (&word)[4]) {
  const __m256i front = join_words(word[0], word[1]), back = join_words(word[2], word[3]);
  const __m256i even = _mm256_unpacklo_epi64(front, back);  // calls 0, 2
  const __m256i odd = _mm256_unpackhi_epi64(front, back);   // calls 1, 3
  auto* out = reinterpret_cast<__m256i*>(p);
  _mm256_storeu_si256(out, _mm256_permute2x128_si256(even, odd, 0x20));
  _mm256_storeu_si256(out + 1, _mm256_permute2x128_si256(even, odd, 0x31));
}

HALFWORD_INLINE F32 operator+(F32 a, F32 b) { return _mm256_add_ps(a.v, b.v); }
HALFWORD_INLINE F32 operator-(F32 a, F32 b) { return _mm256_sub_ps(a.v, b.v); }
HALFWORD_INLINE F32 operator*(F32 a, F32 b) { return _mm256_mul_ps(a.v, b.v); }
HALFWORD_INLINE F32 operator/(F32 a, F32 b) { return _mm256_div_ps(a.v, b.v); }
HALFWORD_INLINE F32 fma(F32 a, F32 b, F32 c) { return _mm256_fmadd_ps(a.v, b.v, c.v); }
HALFWORD_INLINE F32 sqrt(F32 a) { return _mm256_sqrt_ps(a.v); }
HALFWORD_INLINE F32 negate(F32 a) { return _mm256_xor_ps(a.v, _mm256_set1_ps(-0.0f)); }

HALFWORD_INLINE Mask exceeds(F32 a, F32 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_NLE_UQ)}; }
HALFWORD_INLINE Mask is_nan(F32 a) { return {_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q)}; }
HALFWORD_INLINE Mask is_finite(F32 a) {
  return {_mm256_cmp_ps(_mm256_sub_ps(a.v, a.v), _mm256_setzero_ps(), _CMP_EQ_OQ)};
}

HALFWORD_INLINE U32 bits(F32 a) { return _mm256_castps_si256(a.v); }
template <class F>
HALFWORD_INLINE F from_bits(U32 word) {
  return _mm256_castsi256_ps(word.v);
}

HALFWORD_INLINE U16 load_halves(const uint16_t* p) {
  return {_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))};
}
HALFWORD_INLINE void store_halves(uint16_t* p, U16 a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), a.v);
}
// Past the cache; p is 16-byte aligned.
HALFWORD_INLINE void stream_halves(uint16_t* p, U16 a) {
  _mm_stream_si128(reinterpret_cast<__m128i*>(p), a.v);
}
HALFWORD_INLINE void finish_streaming() { _mm_sfence(); }

HALFWORD_INLINE U32 widen(U16 a) { return _mm256_cvtepu16_epi32(a.v); }
HALFWORD_INLINE U32 widen_signed(U16 a) { return _mm256_cvtepi16_epi32(a.v); }
HALFWORD_INLINE U16 narrow(U32 a) {  // the low 16 bits of each lane
  const __m256i low = _mm256_and_si256(a.v, _mm256_set1_epi32(0xffff));
  const __m256i packed = _mm256_packus_epi32(low, low);
  return {_mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08))};
}

HALFWORD_INLINE F32 load_floats(const float* p) { return _mm256_loadu_ps(p); }
HALFWORD_INLINE void store_floats(float* p, F32 a) { _mm256_storeu_ps(p, a.v); }
HALFWORD_INLINE Mask load_nonzero(const uint8_t* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  const __m256i words = _mm256_cvtepu8_epi32(bytes);
  return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(words, _mm256_setzero_si256()))};
}

HALFWORD_INLINE F32 float_from_float16(U16 half) { return _mm256_cvtph_ps(half.v); }
HALFWORD_INLINE U16 float16_nearest(F32 a) {
  return {_mm256_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT)};
}

HALFWORD_INLINE void add_eights(const float* lanes, float* sums, int64_t eights) {
  for (int64_t i = 0; i < eights; ++i) {
    const __m256 x = _mm256_loadu_ps(lanes + 8 * i);
    const __m128 fours = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 twos = _mm_add_ps(fours, _mm_movehl_ps(fours, fours));
    sums[i] = _mm_cvtss_f32(_mm_add_ss(twos, _mm_movehdup_ps(twos)));
  }
}

HALFWORD_INLINE uint32_t largest_lane(U32 a) {
  __m128i four = _mm_max_epu32(_mm256_castsi256_si128(a.v), _mm256_extracti128_si256(a.v, 1));
  four = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0xb1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(four));
}
HALFWORD_INLINE uint32_t largest_half(const uint16_t* p, int64_t count) {
  const __m256i magnitude = _mm256_set1_epi16(0x7fff);
  __m256i largest = _mm256_setzero_si256();
  for (int64_t i = 0; i < count; i += 16) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + i));
    largest = _mm256_max_epu16(largest, _mm256_and_si256(x, magnitude));
  }
  __m128i half =
      _mm_max_epu16(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
  // The smallest of the complements, found in one instruction, is the largest.
  half = _mm_minpos_epu16(_mm_xor_si128(half, _mm_set1_epi16(-1)));
  return static_cast<uint32_t>(~_mm_cvtsi128_si32(half)) & 0xffffu;
}
HALFWORD_INLINE uint32_t largest_word(const uint32_t* p, int64_t count) {
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256i largest = _mm256_setzero_si256();
  for (int64_t i = 0; i < count; i += 8) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + i));
    largest = _mm256_max_epu32(largest, _mm256_and_si256(x, magnitude));
  }
  return largest_lane(largest);
}

HALFWORD_INLINE F32 maximum(F32 a, F32 b) { return _mm256_max_ps(a.v, b.v); }
HALFWORD_INLINE F32 minimum(F32 a, F32 b) { return _mm256_min_ps(a.v, b.v); }
HALFWORD_INLINE U32 maximum(U32 a, U32 b) { return _mm256_max_epu32(a.v, b.v); }
HALFWORD_INLINE Mask is_less(F32 a, F32 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
HALFWORD_INLINE F32 magnitude(F32 a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v); }
HALFWORD_INLINE F32 round_even(F32 a) {
  return _mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
HALFWORD_INLINE F32 round_down(F32 a) {
  return _mm256_round_ps(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
HALFWORD_INLINE U32 to_integer(F32 a) { return _mm256_cvttps_epi32(a.v); }
HALFWORD_INLINE F32 from_integer(U32 a) { return _mm256_cvtepi32_ps(a.v); }
HALFWORD_INLINE U32 operator-(U32 a, U32 b) { return _mm256_sub_epi32(a.v, b.v); }
HALFWORD_INLINE U32 operator*(U32 a, U32 b) { return _mm256_mullo_epi32(a.v, b.v); }
HALFWORD_INLINE U32 load_words(const uint32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
HALFWORD_INLINE void store_words(uint32_t* p, U32 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.v);
}
HALFWORD_INLINE U32 load_bytes(const int8_t* p) {
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
HALFWORD_INLINE void store_bytes(int8_t* p, U32 a) {
  // The low byte of each word, gathered in the low four bytes of each half.
  const __m256i order = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
  const __m256i packed = _mm256_shuffle_epi8(a.v, order);
  const __m128i both =
      _mm_unpacklo_epi32(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), both);
}
HALFWORD_INLINE uint32_t sum_of_lanes(U32 a) {
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(a.v), _mm256_extracti128_si256(a.v, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(four));
}

}  // namespace
}  // namespace halfword
