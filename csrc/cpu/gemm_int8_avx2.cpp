// Compiled with flags of its own: includes intrinsics and loops only, and calls nothing inline from
// a header that baseline code shares, or the linker could keep this copy for older machines.
//
// Without a dot product of bytes that does not saturate, codes are widened to 16 bits: a when it is
// packed, b as it is read. A vector holds four columns by four k; vpmaddwd adds pairs of k, and the
// two pairs of a column are added at the end. All loops over registers are unrolled by pragma,
// without which gcc keeps the sums on the stack.
#include "cpu/simd_avx2.h"
// The last pass is written in the vocabulary above.
#include "cpu/gemm_int8_finish.h"

namespace halfword {
namespace {

constexpr int kColumns = 4;  // of a vector

HALFWORD_INLINE __m256i load_vector(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
HALFWORD_INLINE __m128i load_half(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}

// As asm, because gcc moves sums between registers, and to the stack, around the intrinsics.
HALFWORD_INLINE void add_products(__m256i& sum, __m256i a, __m256i b) {
  __m256i pairs;
  asm volatile("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
               : "+x"(sum), "=&x"(pairs)
               : "x"(a), "x"(b));
}

// 16 bytes from p on, of which the first `count` are there, as words; zeros for the rest.
HALFWORD_INLINE __m256i widen_first(const int8_t* p, int64_t count) {
  if (count >= 16) return _mm256_cvtepi8_epi16(load_half(p));
  alignas(16) int8_t bytes[16] = {};
  if (count > 0) __builtin_memcpy(bytes, p, static_cast<size_t>(count));
  return _mm256_cvtepi8_epi16(load_half(bytes));
}

void pack_strip(const GemmStrip& s) {
  const __m256i ones = _mm256_set1_epi16(1);
  for (int64_t r = 0; r < s.rows; ++r) {
    const int8_t* a = s.a + r * s.row_stride;
    auto* packed = static_cast<int16_t*>(s.packed) + r * kStripK;
    __m256i sum = _mm256_setzero_si256();
    for (int64_t k = 0; k < s.k; k += kStripK, packed += s.rows * kStripK) {
      for (int64_t i = 0; i < kStripK; i += 16) {
        const __m256i x = widen_first(a + k + i, s.k - k - i);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(packed + i), x);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x, ones));
      }
    }
    s.start[r] = -128 * static_cast<int32_t>(sum_of_lanes(sum));
  }
}

template <int kRows>
void tile_of(const GemmTile& t) {
  constexpr int kVectors = kRows <= 2 ? 4 : 2;  // 8 to 12 sums
  for (int64_t c = 0; c < t.columns; c += kVectors * kColumns) {
    __m256i acc[kRows][kVectors];
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[r][v] = _mm256_setzero_si256();
    }
    const auto* a = static_cast<const int16_t*>(t.a);
    const uint8_t* b = t.b + 4 * c;
    for (int64_t left = t.k; left > 0; left -= kStripK, a += kRows * kStripK) {
      const int64_t steps = left < kStripK ? (left + 3) / 4 : kStripK / 4;
      for (int64_t s = 0; s < steps; ++s, b += 4 * t.columns) {
        __m256i words[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) words[v] = _mm256_cvtepu8_epi16(load_half(b + 16 * v));
#pragma GCC unroll 6
        for (int r = 0; r < kRows; ++r) {
          int64_t four;
          __builtin_memcpy(&four, a + r * kStripK + 4 * s, 8);
          const __m256i value = _mm256_set1_epi64x(four);
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) add_products(acc[r][v], words[v], value);
        }
      }
    }
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; v += 2) {
        int32_t* to = t.acc + r * kTileColumns + c + v * kColumns;
        // Columns 0 1 4 5 2 3 6 7.
        const __m256i sums =
            _mm256_permute4x64_epi64(_mm256_hadd_epi32(acc[r][v], acc[r][v + 1]), 0xd8);
        const __m256i start = t.start != nullptr ? _mm256_set1_epi32(t.start[r]) : load_vector(to);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_add_epi32(start, sums));
      }
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

// kRows rows of a strip, from `row` on, by all rows of b, which are signed here: nothing is to be
// taken off at the start.
template <int kRows>
void dots_of(const GemmDots& d, int64_t row) {
  __m256i acc[kRows][kDotRows];
#pragma GCC unroll 2
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < kDotRows; ++c) acc[r][c] = _mm256_setzero_si256();
  }
  DotRows b(d);
  const int16_t* a = static_cast<const int16_t*>(d.a) + row * kStripK;
  for (int64_t k = 0; k < d.k; k += kStripK, a += d.rows * kStripK) {
    b.step(k);
#pragma GCC unroll 4
    for (int64_t i = 0; i < kStripK; i += 16) {
      __m256i words[kDotRows];
#pragma GCC unroll 4
      for (int c = 0; c < kDotRows; ++c) {
        words[c] = _mm256_cvtepi8_epi16(load_half(b.row[c] + k + i));
      }
#pragma GCC unroll 2
      for (int r = 0; r < kRows; ++r) {
        const __m256i value = load_vector(a + r * kStripK + i);
#pragma GCC unroll 4
        for (int c = 0; c < kDotRows; ++c) add_products(acc[r][c], words[c], value);
      }
    }
  }
#pragma GCC unroll 2
  for (int r = 0; r < kRows; ++r) {
    auto* to = reinterpret_cast<__m128i*>(d.acc + (row + r) * kTileColumns);
    const __m256i all = _mm256_hadd_epi32(_mm256_hadd_epi32(acc[r][0], acc[r][1]),
                                          _mm256_hadd_epi32(acc[r][2], acc[r][3]));
    const __m128i sums =
        _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    const __m128i before = d.start != nullptr ? _mm_setzero_si128() : _mm_loadu_si128(to);
    _mm_storeu_si128(to, _mm_add_epi32(before, sums));
  }
}

void dots(const GemmDots& d) {
  int64_t row = 0;
  for (; row + 2 <= d.rows; row += 2) dots_of<2>(d, row);
  if (row < d.rows) dots_of<1>(d, row);
}

}  // namespace

const GemmInt8Kernels gemm_int8_kernels_avx2 = {2, pack_strip, tile, dots, finish_tile};

}  // namespace halfword
