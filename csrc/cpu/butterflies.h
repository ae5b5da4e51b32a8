// Stages h = 1, 2, ... below `block` of a Hadamard transform between the lanes of a vector:
//   lane i of the result = v[i] + v[i + h] where (i & h) = 0, else v[i - h] - v[i]
// Include after one of the simd_*.h headers.
#pragma once

#include "core/host_device.h"

namespace halfword {
namespace {

#if defined(__AVX512F__)

// kLower: the lanes whose partner lies before them.
template <int kLower>
HALFWORD_INLINE F32 add_or_subtract(__m512 partner, F32 v) {
  return _mm512_mask_sub_ps(_mm512_add_ps(partner, v.v), kLower, partner, v.v);
}

HALFWORD_INLINE F32 within_vector(F32 v, int block) {
  if (block > 1) v = add_or_subtract<0xaaaa>(_mm512_permute_ps(v.v, 0xb1), v);
  if (block > 2) v = add_or_subtract<0xcccc>(_mm512_permute_ps(v.v, 0x4e), v);
  if (block > 4) v = add_or_subtract<0xf0f0>(_mm512_shuffle_f32x4(v.v, v.v, 0xb1), v);
  if (block > 8) v = add_or_subtract<0xff00>(_mm512_shuffle_f32x4(v.v, v.v, 0x4e), v);
  return v;
}

#elif defined(__AVX2__)

template <int kLower>
HALFWORD_INLINE F32 add_or_subtract(__m256 partner, F32 v) {
  return _mm256_blend_ps(_mm256_add_ps(partner, v.v), _mm256_sub_ps(partner, v.v), kLower);
}

HALFWORD_INLINE F32 within_vector(F32 v, int block) {
  if (block > 1) v = add_or_subtract<0xaa>(_mm256_permute_ps(v.v, 0xb1), v);
  if (block > 2) v = add_or_subtract<0xcc>(_mm256_permute_ps(v.v, 0x4e), v);
  if (block > 4) v = add_or_subtract<0xf0>(_mm256_permute2f128_ps(v.v, v.v, 0x01), v);
  return v;
}

#else

HALFWORD_INLINE F32 within_vector(F32 v, int) { return v; }

#endif

}  // namespace
}  // namespace halfword
