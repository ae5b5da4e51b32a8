// Stages h = 1, 2, ... below `block` of a Hadamard transform between the lanes of a vector:
//   lane i of the result = v[i] + v[i + h] where (i & h) = 0, else v[i - h] - v[i]
// Include after one of the simd_*.h headers.
#pragma once

#include "cpu/elements.h"

namespace halfword {
namespace {

#if defined(__AVX512F__)

// kLower: the lanes whose partner lies before them. A product with 1 or -1 is exact, so that this
// is one addition or subtraction.
template <int kLower>
HALFWORD_INLINE F32 add_or_subtract(__m512 partner, F32 v) {
  const __m512 sign = _mm512_mask_blend_ps(kLower, _mm512_set1_ps(1.0f), _mm512_set1_ps(-1.0f));
  return _mm512_fmadd_ps(v.v, sign, partner);
}

HALFWORD_INLINE F32 within_vector(F32 v, int block) {
  if (block > 1) v = add_or_subtract<0xaaaa>(_mm512_permute_ps(v.v, 0xb1), v);
  if (block > 2) v = add_or_subtract<0xcccc>(_mm512_permute_ps(v.v, 0x4e), v);
  if (block > 4) v = add_or_subtract<0xf0f0>(_mm512_shuffle_f32x4(v.v, v.v, 0xb1), v);
  if (block > 8) v = add_or_subtract<0xff00>(_mm512_shuffle_f32x4(v.v, v.v, 0x4e), v);
  return v;
}

// Even elements and odd ones as two vectors of consecutive elements.
HALFWORD_INLINE FloatPair in_order(F32 even, F32 odd) {
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i high =
      _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  return {_mm512_permutex2var_ps(even.v, low, odd.v), _mm512_permutex2var_ps(even.v, high, odd.v)};
}

#elif defined(__AVX2__)

// kLower: the lanes whose partner lies before them. A product with 1 or -1 is exact, so that this
// is one addition or subtraction.
template <int kLower>
HALFWORD_INLINE F32 add_or_subtract(__m256 partner, F32 v) {
  const __m256 sign = _mm256_blend_ps(_mm256_set1_ps(1.0f), _mm256_set1_ps(-1.0f), kLower);
  return _mm256_fmadd_ps(v.v, sign, partner);
}

HALFWORD_INLINE F32 within_vector(F32 v, int block) {
  if (block > 1) v = add_or_subtract<0xaa>(_mm256_permute_ps(v.v, 0xb1), v);
  if (block > 2) v = add_or_subtract<0xcc>(_mm256_permute_ps(v.v, 0x4e), v);
  if (block > 4) v = add_or_subtract<0xf0>(_mm256_permute2f128_ps(v.v, v.v, 0x01), v);
  return v;
}

// Even elements and odd ones as two vectors of consecutive elements.
HALFWORD_INLINE FloatPair in_order(F32 even, F32 odd) {
  const __m256 low = _mm256_unpacklo_ps(even.v, odd.v), high = _mm256_unpackhi_ps(even.v, odd.v);
  return {_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31)};
}

#else

HALFWORD_INLINE F32 within_vector(F32 v, int) { return v; }
HALFWORD_INLINE FloatPair in_order(F32 even, F32 odd) { return {even, odd}; }

#endif

}  // namespace
}  // namespace halfword
