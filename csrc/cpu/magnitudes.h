// A vector of magnitudes of the words that lie in memory, which are compared as integers.
// Include after one of the simd_*.h headers.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "core/host_device.h"

namespace halfword {
namespace {

// It is handed out in parts of kLanes words.
template <class Word>
struct Magnitudes;

template <>
struct Magnitudes<uint32_t> {
  static constexpr int64_t kCount = kLanes;
  static constexpr int kParts = 1;
  U32 v;

  HALFWORD_INLINE static Magnitudes zeros() { return {U32(0u)}; }
  HALFWORD_INLINE static Magnitudes load(const uint32_t* p) {
    return {load_words(p) & U32(kFloat32Magnitude)};
  }
  HALFWORD_INLINE U32 part(int) const { return v; }
};
HALFWORD_INLINE Magnitudes<uint32_t> maximum(Magnitudes<uint32_t> a, Magnitudes<uint32_t> b) {
  return {maximum(a.v, b.v)};
}

#if defined(__AVX512BW__)

template <>
struct Magnitudes<uint16_t> {
  static constexpr int64_t kCount = 32;
  static constexpr int kParts = 2;
  __m512i v;

  HALFWORD_INLINE static Magnitudes zeros() { return {_mm512_setzero_si512()}; }
  HALFWORD_INLINE static Magnitudes load(const uint16_t* p) {
    return {_mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi16(0x7fff))};
  }
  HALFWORD_INLINE U16 part(int i) const {
    return {i == 0 ? _mm512_castsi512_si256(v) : _mm512_extracti64x4_epi64(v, 1)};
  }
};
HALFWORD_INLINE Magnitudes<uint16_t> maximum(Magnitudes<uint16_t> a, Magnitudes<uint16_t> b) {
  return {_mm512_max_epu16(a.v, b.v)};
}

#elif defined(__AVX2__)

template <>
struct Magnitudes<uint16_t> {
  static constexpr int64_t kCount = 16;
  static constexpr int kParts = 2;
  __m256i v;

  HALFWORD_INLINE static Magnitudes zeros() { return {_mm256_setzero_si256()}; }
  HALFWORD_INLINE static Magnitudes load(const uint16_t* p) {
    const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm256_and_si256(words, _mm256_set1_epi16(0x7fff))};
  }
  HALFWORD_INLINE U16 part(int i) const {
    return {i == 0 ? _mm256_castsi256_si128(v) : _mm256_extracti128_si256(v, 1)};
  }
};
HALFWORD_INLINE Magnitudes<uint16_t> maximum(Magnitudes<uint16_t> a, Magnitudes<uint16_t> b) {
  return {_mm256_max_epu16(a.v, b.v)};
}

#else

template <>
struct Magnitudes<uint16_t> {
  static constexpr int64_t kCount = 1;
  static constexpr int kParts = 1;
  uint16_t v;

  HALFWORD_INLINE static Magnitudes zeros() { return {0}; }
  HALFWORD_INLINE static Magnitudes load(const uint16_t* p) {
    return {static_cast<uint16_t>(*p & 0x7fffu)};
  }
  HALFWORD_INLINE U16 part(int) const { return {v}; }
};
HALFWORD_INLINE Magnitudes<uint16_t> maximum(Magnitudes<uint16_t> a, Magnitudes<uint16_t> b) {
  return a.v > b.v ? a : b;
}

#endif

}  // namespace
}  // namespace halfword
