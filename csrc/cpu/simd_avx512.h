// The vector vocabulary of simd_portable.h for AVX-512 (F, BW, DQ, VL): 16 lanes.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "core/dtype.h"
#include "core/host_device.h"

namespace halfword {
namespace {

constexpr int kLanes = 16;

struct U16 {
  __m256i v;
};
struct U32 {
  __m512i v;
  HALFWORD_INLINE U32() = default;
  HALFWORD_INLINE U32(__m512i x) : v(x) {}
  HALFWORD_INLINE U32(uint32_t x) : v(_mm512_set1_epi32(static_cast<int>(x))) {}
};
struct F32 {
  __m512 v;
  HALFWORD_INLINE F32() = default;
  HALFWORD_INLINE F32(__m512 x) : v(x) {}
  HALFWORD_INLINE explicit F32(float x) : v(_mm512_set1_ps(x)) {}
};
struct Mask {
  __mmask16 v;
};

HALFWORD_INLINE U32 operator+(U32 a, U32 b) { return _mm512_add_epi32(a.v, b.v); }
HALFWORD_INLINE U32 operator&(U32 a, U32 b) { return _mm512_and_si512(a.v, b.v); }
HALFWORD_INLINE U32 operator|(U32 a, U32 b) { return _mm512_or_si512(a.v, b.v); }
HALFWORD_INLINE U32 operator^(U32 a, U32 b) { return _mm512_xor_si512(a.v, b.v); }
HALFWORD_INLINE U32 operator<<(U32 a, int n) {
  return _mm512_slli_epi32(a.v, static_cast<unsigned>(n));
}
HALFWORD_INLINE U32 operator>>(U32 a, int n) {
  return _mm512_srli_epi32(a.v, static_cast<unsigned>(n));
}
HALFWORD_INLINE F32 select(Mask m, F32 a, F32 b) { return _mm512_mask_mov_ps(b.v, m.v, a.v); }
HALFWORD_INLINE U32 select(Mask m, U32 a, U32 b) { return _mm512_mask_mov_epi32(b.v, m.v, a.v); }

// Eight words, each in the low half of a 64-bit lane; what is above them is ignored.
constexpr int kCallLanes = 8;
struct CallWord {
  __m512i v;
  HALFWORD_INLINE CallWord() = default;
  HALFWORD_INLINE CallWord(__m512i x) : v(x) {}
  HALFWORD_INLINE CallWord(uint32_t x) : v(_mm512_set1_epi32(static_cast<int>(x))) {}
};
HALFWORD_INLINE CallWord operator^(CallWord a, CallWord b) { return _mm512_xor_si512(a.v, b.v); }
HALFWORD_INLINE CallWord counting_from(uint32_t first) {
  return _mm512_add_epi32(CallWord(first).v, _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
}
HALFWORD_INLINE CallWord multiply_wide(CallWord a, uint32_t b, CallWord* high) {
  const __m512i product = _mm512_mul_epu32(a.v, CallWord(b).v);
  *high = _mm512_srli_epi64(product, 32);
  return product;
}
HALFWORD_INLINE __m512i join_words(CallWord low, CallWord high) {
  return _mm512_mask_mov_epi32(low.v, 0xaaaa, _mm512_slli_epi64(high.v, 32));
}
HALFWORD_INLINE void store_calls(uint32_t* p, const CallWord (&word)[4]) {
  const __m512i front = join_words(word[0], word[1]), back = join_words(word[2], word[3]);
  const __m512i first = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
  const __m512i second = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
  _mm512_storeu_si512(p, _mm512_permutex2var_epi64(front, first, back));
  _mm512_storeu_si512(p + 16, _mm512_permutex2var_epi64(front, second, back));
}

HALFWORD_INLINE F32 operator+(F32 a, F32 b) { return _mm512_add_ps(a.v, b.v); }
HALFWORD_INLINE F32 operator-(F32 a, F32 b) { return _mm512_sub_ps(a.v, b.v); }
HALFWORD_INLINE F32 operator*(F32 a, F32 b) { return _mm512_mul_ps(a.v, b.v); }
HALFWORD_INLINE F32 operator/(F32 a, F32 b) { return _mm512_div_ps(a.v, b.v); }
HALFWORD_INLINE F32 fma(F32 a, F32 b, F32 c) { return _mm512_fmadd_ps(a.v, b.v, c.v); }
HALFWORD_INLINE F32 sqrt(F32 a) { return _mm512_sqrt_ps(a.v); }
HALFWORD_INLINE F32 negate(F32 a) { return _mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f)); }

HALFWORD_INLINE Mask exceeds(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_NLE_UQ)}; }
HALFWORD_INLINE Mask is_nan(F32 a) { return {_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q)}; }
HALFWORD_INLINE Mask is_finite(F32 a) {
  return {_mm512_cmp_ps_mask(_mm512_sub_ps(a.v, a.v), _mm512_setzero_ps(), _CMP_EQ_OQ)};
}

HALFWORD_INLINE U32 bits(F32 a) { return _mm512_castps_si512(a.v); }
template <class F>
HALFWORD_INLINE F from_bits(U32 word) {
  return _mm512_castsi512_ps(word.v);
}

HALFWORD_INLINE U16 load_halves(const uint16_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
}
HALFWORD_INLINE void store_halves(uint16_t* p, U16 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.v);
}
// Past the cache; p is 32-byte aligned.
HALFWORD_INLINE void stream_halves(uint16_t* p, U16 a) {
  _mm256_stream_si256(reinterpret_cast<__m256i*>(p), a.v);
}
HALFWORD_INLINE void finish_streaming() { _mm_sfence(); }

HALFWORD_INLINE U32 widen(U16 a) { return _mm512_cvtepu16_epi32(a.v); }
HALFWORD_INLINE U32 widen_signed(U16 a) { return _mm512_cvtepi16_epi32(a.v); }
HALFWORD_INLINE U16 narrow(U32 a) { return {_mm512_cvtepi32_epi16(a.v)}; }

HALFWORD_INLINE F32 load_floats(const float* p) { return _mm512_loadu_ps(p); }
HALFWORD_INLINE void store_floats(float* p, F32 a) { _mm512_storeu_ps(p, a.v); }
HALFWORD_INLINE Mask load_nonzero(const uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm_test_epi8_mask(bytes, bytes)};
}

HALFWORD_INLINE F32 float_from_float16(U16 half) { return _mm512_cvtph_ps(half.v); }
HALFWORD_INLINE U16 float16_nearest(F32 a) {
  return {_mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT)};
}

// Two vectors of 16 hold four eights; adding the two 128-bit halves of each eight leaves one
// vector.
HALFWORD_INLINE __m512 add_fours(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}
HALFWORD_INLINE void add_eights(const float* lanes, float* sums, int64_t eights) {
  for (int64_t i = 0; i < eights; i += 16, lanes += 128) {
    // Each 128-bit part of `fours` is the folded half of one eight, in the order of memory.
    const auto fours = [&](int k) {
      return add_fours(_mm512_loadu_ps(lanes + 32 * k), _mm512_loadu_ps(lanes + 32 * k + 16));
    };
    const auto fold = [](__m512 a, __m512 b) {  // (0 + 2, 1 + 3) of each part of a, then of b
      const __m512d low = _mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b));
      const __m512d high = _mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b));
      return _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
    };
    const __m512 ab = fold(fours(0), fours(1));
    const __m512 cd = fold(fours(2), fours(3));
    const __m512 sum =
        _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x88), _mm512_shuffle_ps(ab, cd, 0xdd));
    // Part q of `sum` holds eights q, 4 + q, 8 + q, 12 + q.
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_storeu_ps(sums + i, _mm512_permutexvar_ps(order, sum));
  }
}

HALFWORD_INLINE uint32_t largest_half(const uint16_t* p, int64_t count) {
  const __m512i magnitude = _mm512_set1_epi16(0x7fff);
  __m512i largest = _mm512_setzero_si512();
  int64_t i = 0;
  for (; i + 32 <= count; i += 32) {
    largest = _mm512_max_epu16(largest, _mm512_and_si512(_mm512_loadu_si512(p + i), magnitude));
  }
  if (i < count) {  // 16 are left
    const __m512i x = _mm512_maskz_loadu_epi16(0xffff, p + i);
    largest = _mm512_max_epu16(largest, _mm512_and_si512(x, magnitude));
  }
  const __m512i low = _mm512_and_si512(largest, _mm512_set1_epi32(0xffff));
  return _mm512_reduce_max_epu32(_mm512_max_epu32(low, _mm512_srli_epi32(largest, 16)));
}
HALFWORD_INLINE uint32_t largest_word(const uint32_t* p, int64_t count) {
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  __m512i largest = _mm512_setzero_si512();
  for (int64_t i = 0; i < count; i += 16) {
    largest = _mm512_max_epu32(largest, _mm512_and_si512(_mm512_loadu_si512(p + i), magnitude));
  }
  return _mm512_reduce_max_epu32(largest);
}

HALFWORD_INLINE F32 maximum(F32 a, F32 b) { return _mm512_max_ps(a.v, b.v); }
HALFWORD_INLINE F32 minimum(F32 a, F32 b) { return _mm512_min_ps(a.v, b.v); }
HALFWORD_INLINE U32 maximum(U32 a, U32 b) { return _mm512_max_epu32(a.v, b.v); }
HALFWORD_INLINE Mask is_less(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
HALFWORD_INLINE F32 magnitude(F32 a) { return _mm512_abs_ps(a.v); }
HALFWORD_INLINE F32 round_even(F32 a) {
  return _mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
HALFWORD_INLINE F32 round_down(F32 a) {
  return _mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
HALFWORD_INLINE U32 to_integer(F32 a) { return _mm512_cvttps_epi32(a.v); }
HALFWORD_INLINE F32 from_integer(U32 a) { return _mm512_cvtepi32_ps(a.v); }
HALFWORD_INLINE U32 operator-(U32 a, U32 b) { return _mm512_sub_epi32(a.v, b.v); }
HALFWORD_INLINE U32 operator*(U32 a, U32 b) { return _mm512_mullo_epi32(a.v, b.v); }
HALFWORD_INLINE U32 load_words(const uint32_t* p) { return _mm512_loadu_si512(p); }
HALFWORD_INLINE void store_words(uint32_t* p, U32 a) { _mm512_storeu_si512(p, a.v); }
HALFWORD_INLINE U32 load_bytes(const int8_t* p) {
  return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
HALFWORD_INLINE void store_bytes(int8_t* p, U32 a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}
HALFWORD_INLINE uint32_t largest_lane(U32 a) { return _mm512_reduce_max_epu32(a.v); }
// In halves: gcc's own reduction adds signed integers, whose overflow is undefined.
HALFWORD_INLINE uint32_t sum_of_lanes(U32 a) {
  const __m256i eight =
      _mm256_add_epi32(_mm512_castsi512_si256(a.v), _mm512_extracti64x4_epi64(a.v, 1));
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(four));
}

}  // namespace
}  // namespace halfword
