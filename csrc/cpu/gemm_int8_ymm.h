// The GEMM kernels of 256-bit dot products, for both encodings of their instruction. Include after
// simd_avx2.h; HALFWORD_DPBUSD is the instruction's name with its encoding.
//
// Of a tile, 16 columns at a time: kStripRows x 16 sums take 12 of the 16 registers. All loops over
// registers are unrolled by pragma, without which gcc keeps the sums on the stack.
#pragma once

#include "cpu/gemm_int8_finish.h"

namespace halfword {
namespace {

constexpr int64_t kColumnsAtOnce = 16;
constexpr int kVectors = 2;

// As asm, because gcc moves sums between registers, and to the stack, around the intrinsic.
HALFWORD_INLINE void add_products(__m256i& sum, __m256i u8, __m256i s8) {
  asm volatile(HALFWORD_DPBUSD " %2, %1, %0" : "+x"(sum) : "x"(u8), "x"(s8));
}

HALFWORD_INLINE __m256i load_vector(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
HALFWORD_INLINE void store_vector(void* p, __m256i x) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), x);
}

// 32 bytes from p on, of which the first `count` are there; zeros for the rest.
HALFWORD_INLINE __m256i load_first(const int8_t* p, int64_t count) {
  if (count >= 32) return load_vector(p);
  alignas(32) int8_t bytes[32] = {};
  if (count > 0) __builtin_memcpy(bytes, p, static_cast<size_t>(count));
  return load_vector(bytes);
}

// The sums over the lanes of four vectors.
HALFWORD_INLINE __m128i add_lanes(__m256i a, __m256i b, __m256i c, __m256i d) {
  const __m256i all = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
  return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

void pack_strip(const GemmStrip& s) {
  const __m256i ones = _mm256_set1_epi8(1);
  for (int64_t r = 0; r < s.rows; ++r) {
    const int8_t* a = s.a + r * s.row_stride;
    auto* packed = static_cast<int8_t*>(s.packed) + r * kStripK;
    __m256i sum = _mm256_setzero_si256();
    for (int64_t k = 0; k < s.k; k += kStripK, packed += s.rows * kStripK) {
      const __m256i low = load_first(a + k, s.k - k), high = load_first(a + k + 32, s.k - k - 32);
      store_vector(packed, low);
      store_vector(packed + 32, high);
      add_products(sum, ones, low);
      add_products(sum, ones, high);
    }
    s.start[r] = -128 * static_cast<int32_t>(sum_of_lanes(sum));
  }
}

template <int kRows>
void tile_of(const GemmTile& t) {
  for (int64_t c = 0; c < t.columns; c += kColumnsAtOnce) {
    __m256i acc[kRows][kVectors];
    int32_t* to = t.acc + c;
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        acc[r][v] = t.start != nullptr ? _mm256_set1_epi32(t.start[r])
                                       : load_vector(to + r * kTileColumns + 8 * v);
      }
    }
    const auto* a = static_cast<const int8_t*>(t.a);
    const uint8_t* b = t.b + 4 * c;
    for (int64_t left = t.k; left > 0; left -= kStripK, a += kRows * kStripK) {
      const int64_t steps = left < kStripK ? (left + 3) / 4 : kStripK / 4;
      for (int64_t s = 0; s < steps; ++s, b += 4 * t.columns) {
        const __m256i b0 = load_vector(b), b1 = load_vector(b + 32);
#pragma GCC unroll 6
        for (int r = 0; r < kRows; ++r) {
          int32_t four;
          __builtin_memcpy(&four, a + r * kStripK + 4 * s, 4);
          const __m256i value = _mm256_set1_epi32(four);
          add_products(acc[r][0], b0, value);
          add_products(acc[r][1], b1, value);
        }
      }
    }
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) store_vector(to + r * kTileColumns + 8 * v, acc[r][v]);
    }
  }
}

void tile(const GemmTile& t) {
  switch (t.rows) {
    case 1: return tile_of<1>(t);
    case 2: return tile_of<2>(t);
    case 3: return tile_of<3>(t);
    case 4: return tile_of<4>(t);
    case 5: return tile_of<5>(t);
    case 6: return tile_of<6>(t);
  }
}

// kRows rows of a strip, from `row` on, by all rows of b.
template <int kRows>
void dots_of(const GemmDots& d, int64_t row) {
  const __m256i offset = _mm256_set1_epi8(-128);
  __m256i acc[kRows][kDotRows];
#pragma GCC unroll 2
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < kDotRows; ++c) acc[r][c] = _mm256_setzero_si256();
  }
  DotRows b(d);
  const int8_t* a = static_cast<const int8_t*>(d.a) + row * kStripK;
  for (int64_t k = 0; k < d.k; k += kStripK, a += d.rows * kStripK) {
    b.step(k);
#pragma GCC unroll 2
    for (int64_t i = 0; i < kStripK; i += 32) {
      __m256i bytes[kDotRows];
#pragma GCC unroll 4
      for (int c = 0; c < kDotRows; ++c) {
        bytes[c] = _mm256_xor_si256(load_vector(b.row[c] + k + i), offset);
      }
#pragma GCC unroll 2
      for (int r = 0; r < kRows; ++r) {
        const __m256i value = load_vector(a + r * kStripK + i);
#pragma GCC unroll 4
        for (int c = 0; c < kDotRows; ++c) add_products(acc[r][c], bytes[c], value);
      }
    }
  }
#pragma GCC unroll 2
  for (int r = 0; r < kRows; ++r) {
    auto* to = reinterpret_cast<__m128i*>(d.acc + (row + r) * kTileColumns);
    const __m128i start =
        d.start != nullptr ? _mm_set1_epi32(d.start[row + r]) : _mm_loadu_si128(to);
    const __m128i sums = add_lanes(acc[r][0], acc[r][1], acc[r][2], acc[r][3]);
    _mm_storeu_si128(to, _mm_add_epi32(start, sums));
  }
}

void dots(const GemmDots& d) {
  int64_t row = 0;
  for (; row + 2 <= d.rows; row += 2) dots_of<2>(d, row);
  if (row < d.rows) dots_of<1>(d, row);
}

}  // namespace
}  // namespace halfword
