// Four vectors of elements at once, whose codes fill a vector of bytes.
// Include after one of the simd_*.h headers.
#pragma once

#include <cstdint>

#include "cpu/elements.h"

namespace halfword {
namespace {

// Two pairs, each in the order of an element format (cpu/elements.h).
struct FourFloats {
  F32 v[4];
};
struct FourWords {
  U32 v[4];
};
constexpr int64_t kFour = 4 * kLanes;

HALFWORD_INLINE FourFloats all_four(float x) { return {{F32(x), F32(x), F32(x), F32(x)}}; }

#if defined(__AVX2__)

#if defined(__AVX512BW__)
using Codes = __m512i;
HALFWORD_INLINE F32 even_floats(F32 a, F32 b) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  return _mm512_permutex2var_ps(a.v, even, b.v);
}
HALFWORD_INLINE F32 odd_floats(F32 a, F32 b) {
  const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  return _mm512_permutex2var_ps(a.v, odd, b.v);
}
// The low halves of a's words and b's, in turns.
HALFWORD_INLINE __m512i interleave_halves(U32 a, U32 b) {
  return _mm512_mask_blend_epi16(0xaaaaaaaau, a.v, (b << 16).v);
}
template <bool kTurns>
HALFWORD_INLINE Codes code_bytes(const FourWords& codes) {
  const U32(&v)[4] = codes.v;
  // Each 128-bit part has eight codes of the first pair, then eight of the second.
  __m512i bytes = _mm512_packs_epi16(interleave_halves(v[0], v[1]), interleave_halves(v[2], v[3]));
  if (kTurns) {
    bytes = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), bytes);
  } else {
    const __m512i fours =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15));
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    bytes = _mm512_permutexvar_epi32(order, _mm512_shuffle_epi8(bytes, fours));
  }
  return bytes;
}
HALFWORD_INLINE void store_bytes(int8_t* p, Codes codes) { _mm512_storeu_si512(p, codes); }
HALFWORD_INLINE void stream_bytes(int8_t* p, Codes codes) {
  _mm512_stream_si512(reinterpret_cast<__m512i*>(p), codes);
}
#else
using Codes = __m256i;
HALFWORD_INLINE F32 even_floats(F32 a, F32 b) {
  const __m256d pairs = _mm256_castps_pd(_mm256_shuffle_ps(a.v, b.v, 0x88));
  return _mm256_castpd_ps(_mm256_permute4x64_pd(pairs, 0xd8));
}
HALFWORD_INLINE F32 odd_floats(F32 a, F32 b) {
  const __m256d pairs = _mm256_castps_pd(_mm256_shuffle_ps(a.v, b.v, 0xdd));
  return _mm256_castpd_ps(_mm256_permute4x64_pd(pairs, 0xd8));
}
// The low halves of a's words and b's, in turns.
HALFWORD_INLINE __m256i interleave_halves(U32 a, U32 b) {
  return _mm256_blend_epi16(a.v, (b << 16).v, 0xaa);
}
template <bool kTurns>
HALFWORD_INLINE Codes code_bytes(const FourWords& codes) {
  const U32(&v)[4] = codes.v;
  // Each 128-bit part has eight codes of the first pair, then eight of the second.
  __m256i bytes = _mm256_packs_epi16(interleave_halves(v[0], v[1]), interleave_halves(v[2], v[3]));
  if (kTurns) {
    bytes = _mm256_permute4x64_epi64(bytes, 0xd8);
  } else {
    const __m256i fours = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    bytes = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(bytes, fours), order);
  }
  return bytes;
}
HALFWORD_INLINE void store_bytes(int8_t* p, Codes codes) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), codes);
}
HALFWORD_INLINE void stream_bytes(int8_t* p, Codes codes) {
  _mm256_stream_si256(reinterpret_cast<__m256i*>(p), codes);
}
#endif

#else

// Vectors of one element: those of both orders are the same.
HALFWORD_INLINE F32 even_floats(F32 a, F32) { return a; }
HALFWORD_INLINE F32 odd_floats(F32, F32 b) { return b; }
using Codes = FourWords;
template <bool kTurns>
HALFWORD_INLINE Codes code_bytes(const FourWords& codes) {
  return codes;
}
HALFWORD_INLINE void store_bytes(int8_t* p, const Codes& codes) {
  for (int k = 0; k < 4; ++k) store_bytes(p + k, codes.v[k]);
}
HALFWORD_INLINE void stream_bytes(int8_t* p, const Codes& codes) { store_bytes(p, codes); }

#endif

// The low bytes of the words, which are codes.
template <bool kTurns>
HALFWORD_INLINE void store_codes(int8_t* p, const FourWords& codes) {
  store_bytes(p, code_bytes<kTurns>(codes));
}
// The same past the caches; p is aligned as a vector.
template <bool kTurns>
HALFWORD_INLINE void stream_codes(int8_t* p, const FourWords& codes) {
  stream_bytes(p, code_bytes<kTurns>(codes));
}

template <class Element>
HALFWORD_INLINE FourFloats load_four(const void* x, int64_t i) {
  const FloatPair first = load_pair<Element>(x, i);
  const FloatPair second = load_pair<Element>(x, i + 2 * kLanes);
  return {{first.a, first.b, second.a, second.b}};
}

// Floats that belong to elements.
template <bool kTurns>
HALFWORD_INLINE FourFloats load_four_floats(const float* p) {
  FourFloats four;
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) four.v[k] = load_floats(p + k * kLanes);
  if (!kTurns) return four;
  const F32(&v)[4] = four.v;
  return {{even_floats(v[0], v[1]), odd_floats(v[0], v[1]),  //
           even_floats(v[2], v[3]), odd_floats(v[2], v[3])}};
}

HALFWORD_INLINE void store_four(float* p, const FourFloats& four) {
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) store_floats(p + k * kLanes, four.v[k]);
}

// The 16 bits of each element.
template <bool kTurns>
HALFWORD_INLINE FourWords load_four_halves(const uint16_t* p) {
  FourWords four;
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    if (!kTurns || kLanes == 1) {
      four.v[k] = widen(load_halves(p + k * kLanes));
    } else if (k % 2 == 0) {
      const U32 words = load_words(reinterpret_cast<const uint32_t*>(p + k * kLanes));
      four.v[k] = words & U32(0xffffu);
      four.v[k + 1] = words >> 16;
    }
  }
  return four;
}

}  // namespace
}  // namespace halfword
