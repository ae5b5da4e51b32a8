// Bytes [64][16] transposed to [16][64]. Include after one of the simd_*.h headers.
#pragma once

#include <cstdint>

#include "core/host_device.h"

namespace halfword {
namespace {

#if defined(__AVX2__)

#if defined(__AVX512BW__)
// Rows 0, 16, 32 and 48 of 16 bytes.
HALFWORD_INLINE __m512i load_rows(const int8_t* p, int64_t pitch) {
  const auto row = [&](int64_t r) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16 * r * pitch));
  };
  const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(row(0)), row(1), 1);
  const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(row(2)), row(3), 1);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}
using Rows = __m512i;
HALFWORD_INLINE Rows interleave_low(Rows a, Rows b) { return _mm512_unpacklo_epi8(a, b); }
HALFWORD_INLINE Rows interleave_high(Rows a, Rows b) { return _mm512_unpackhi_epi8(a, b); }
HALFWORD_INLINE void store_rows(int8_t* p, Rows rows) { _mm512_storeu_si512(p, rows); }
// A line past the caches.
HALFWORD_INLINE void stream_line(int8_t* to, const int8_t* from) {
  _mm512_stream_si512(reinterpret_cast<__m512i*>(to), _mm512_load_si512(from));
}
#else
// Rows 0 and 16 of 16 bytes.
HALFWORD_INLINE __m256i load_rows(const int8_t* p, int64_t pitch) {
  const auto row = [&](int64_t r) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16 * r * pitch));
  };
  return _mm256_inserti128_si256(_mm256_castsi128_si256(row(0)), row(1), 1);
}
using Rows = __m256i;
HALFWORD_INLINE Rows interleave_low(Rows a, Rows b) { return _mm256_unpacklo_epi8(a, b); }
HALFWORD_INLINE Rows interleave_high(Rows a, Rows b) { return _mm256_unpackhi_epi8(a, b); }
HALFWORD_INLINE void store_rows(int8_t* p, Rows rows) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), rows);
}
// A line past the caches.
HALFWORD_INLINE void stream_line(int8_t* to, const int8_t* from) {
  for (int i = 0; i < 2; ++i) {
    const __m256i half = _mm256_load_si256(reinterpret_cast<const __m256i*>(from) + i);
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to) + i, half);
  }
}
#endif

// In each 16 bytes of a vector: interleaves rows i and i + 8. After four times row r holds what was
// column r.
HALFWORD_INLINE void interleave_halves(const Rows (&in)[16], Rows (&out)[16]) {
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    out[2 * i] = interleave_low(in[i], in[i + 8]);
    out[2 * i + 1] = interleave_high(in[i], in[i + 8]);
  }
}

HALFWORD_INLINE void transpose_bytes(const int8_t* in, int64_t in_pitch, int8_t* out,
                                     int64_t out_pitch) {
  for (int64_t first = 0; first < 64; first += sizeof(Rows)) {
    Rows a[16], b[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) a[i] = load_rows(in + (first + i) * in_pitch, in_pitch);
    interleave_halves(a, b);
    interleave_halves(b, a);
    interleave_halves(a, b);
    interleave_halves(b, a);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) store_rows(out + i * out_pitch + first, a[i]);
  }
}

// The same past the caches, line after line, as one that is begun is written out when others are;
// each is 64-byte aligned.
HALFWORD_INLINE void stream_transposed_bytes(const int8_t* in, int64_t in_pitch, int8_t* out,
                                             int64_t out_pitch) {
  alignas(64) int8_t lines[16 * 64];
  transpose_bytes(in, in_pitch, lines, 64);
  for (int64_t i = 0; i < 16; ++i) stream_line(out + i * out_pitch, lines + i * 64);
}

#else

HALFWORD_INLINE void transpose_bytes(const int8_t* in, int64_t in_pitch, int8_t* out,
                                     int64_t out_pitch) {
  for (int64_t j = 0; j < 16; ++j) {
    for (int64_t i = 0; i < 64; ++i) out[j * out_pitch + i] = in[i * in_pitch + j];
  }
}

HALFWORD_INLINE void stream_transposed_bytes(const int8_t* in, int64_t in_pitch, int8_t* out,
                                             int64_t out_pitch) {
  transpose_bytes(in, in_pitch, out, out_pitch);
}

#endif

}  // namespace
}  // namespace halfword
