// The W4A8 kernels of 256-bit vectors. Include after simd_avx2.h and a definition of
//
//   add_products(__m256i& sum, __m256i u8, __m256i s8)
//       of bytes up to 15: adds the products of four pairs to each word, exactly
//
// Of a tile, 16 columns at a time: kStripRows x 16 sums take 12 of the 16 registers. All loops over
// registers are unrolled by pragma, without which gcc keeps the sums on the stack.
#pragma once

#include "cpu/gemm_w4a8_run.h"
#include "cpu/gemm_w4a8_scale.h"

namespace halfword {
namespace {

constexpr int kVectors = 2;
constexpr int64_t kColumnsAtOnce = kVectors * kLanes;
constexpr int64_t kPasses = kInt4Panel / kColumnsAtOnce;
constexpr int64_t kStepBytes = kStepK / 2 * kInt4Panel;

HALFWORD_INLINE __m256i load_vector(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
HALFWORD_INLINE void store_vector(void* p, __m256i x) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), x);
}

void pack_strip(const W4A8Strip& s) {
  const __m256i ones = _mm256_set1_epi8(1), pairs = _mm256_set1_epi16(1);
  for (int64_t r = 0; r < s.rows; ++r) {
    const int8_t* a = s.a + r * s.row_stride;
    int8_t* packed = s.packed + r * kBlockK;
    int32_t* start = s.start + r;
    for (int64_t begin = 0; begin < s.k; begin += s.part, start += s.rows) {
      const int64_t end = begin + s.part < s.k ? begin + s.part : s.k;
      __m256i sum = _mm256_setzero_si256();
      for (int64_t k = begin; k < end; k += kBlockK, packed += s.rows * kBlockK) {
        if (end - k < kBlockK) {
          store_vector(packed, _mm256_setzero_si256());
          __builtin_memcpy(packed, a + k, static_cast<size_t>(end - k));
        } else {
          store_vector(packed, load_vector(a + k));
        }
        const __m256i x = load_vector(packed);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(ones, x), pairs));
      }
      *start = -8 * static_cast<int32_t>(sum_of_lanes(U32(sum)));
    }
  }
}

// Sums of part number `part` and columns from c on to float sums, or back to where the next tile
// finds them.
template <int kRows>
HALFWORD_INLINE void close_part(const W4A8Tile& t, int64_t part, int64_t c,
                                const __m256i (&acc)[kRows][kVectors]) {
  if (!t.closes) {
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      store_vector(t.acc + r * kInt4Panel + c, acc[r][0]);
      store_vector(t.acc + r * kInt4Panel + c + kLanes, acc[r][1]);
    }
    return;
  }
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    const int64_t i = part * kInt4Panel + c + v * kLanes;
    const __m256 scale = load_scales(t.scale, t.scale_dtype, i).v;
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      float* sum = t.sum + r * kInt4Panel + c + v * kLanes;
      _mm256_storeu_ps(sum,
                       _mm256_fmadd_ps(_mm256_cvtepi32_ps(acc[r][v]), scale, _mm256_loadu_ps(sum)));
    }
  }
  if (t.offset == nullptr) return;
  for (int v = 0; v < kVectors; ++v) {
    const int64_t i = part * kInt4Panel + c + v * kLanes;
    const __m256 offset = load_scales(t.offset, t.scale_dtype, i).v;
    for (int r = 0; r < kRows; ++r) {
      float* sum = t.sum + r * kInt4Panel + c + v * kLanes;
      const __m256 sum_a = _mm256_set1_ps(static_cast<float>(t.start[part * kRows + r] / -8));
      _mm256_storeu_ps(sum, _mm256_fmadd_ps(sum_a, offset, _mm256_loadu_ps(sum)));
    }
  }
}

// With zero points.
HALFWORD_INLINE __m256i start_of(__m256i start, const uint8_t* zero_point) {
  const __m256i zero =
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(zero_point)));
  return _mm256_mullo_epi32(zero, _mm256_srai_epi32(start, 3));
}

alignas(32) constexpr uint8_t kLowNibbles[32] = {15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
                                                 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
                                                 15, 15, 15, 15, 15, 15, 15, 15, 15, 15};

// Columns 0 to 3 or 4 to 7 of a step. As asm, because there is no register for the mask, and gcc
// would take one.
HALFWORD_INLINE __m256i nibbles_of(const uint8_t* p, int half) {
  __m256i x = load_vector(p);
  if (half == 1) x = _mm256_srli_epi16(x, 4);
  asm volatile("vpand %1, %0, %0" : "+x"(x) : "m"(kLowNibbles));
  return x;
}

template <int kRows>
void tile_of(const W4A8Tile& tile) {
  const W4A8Tile t = tile;  // where no store can change it
  for (int64_t c = 0; c < kInt4Panel; c += kColumnsAtOnce) {
    const int8_t* a = t.a;
    const uint8_t* b = t.b + 4 * c;
    for (int64_t left = t.k, part = 0; left > 0; left -= t.part, ++part) {
      __m256i acc[kRows][kVectors];
#pragma GCC unroll 6
      for (int r = 0; r < kRows; ++r) {
        const __m256i start = _mm256_set1_epi32(t.start[part * kRows + r]);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) {
          const int64_t column = c + v * kLanes;
          acc[r][v] = start;
          if (t.zero_point != nullptr) {
            acc[r][v] = start_of(start, t.zero_point + part * kInt4Panel + column);
          }
          if (!t.opens) acc[r][v] = load_vector(t.acc + r * kInt4Panel + column);
        }
      }
      const int64_t columns = left < t.part ? left : t.part;
      for (int64_t k = 0; k < columns; k += kStepK, b += kStepBytes) {
        const int8_t* step = a + k / kBlockK * (kRows * kBlockK) + k % kBlockK;
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half) {
          const __m256i b0 = nibbles_of(b, half), b1 = nibbles_of(b + 32, half);
#pragma GCC unroll 6
          for (int r = 0; r < kRows; ++r) {
            int32_t four;
            __builtin_memcpy(&four, step + r * kBlockK + 4 * half, 4);
            const __m256i value = _mm256_set1_epi32(four);
            add_products(acc[r][0], b0, value);
            add_products(acc[r][1], b1, value);
          }
        }
      }
      a += (columns + kBlockK - 1) / kBlockK * (kRows * kBlockK);
      close_part<kRows>(t, part, c, acc);
    }
  }
}

void tile(const W4A8Tile& t) {
  switch (t.rows) {
    case 1: return tile_of<1>(t);
    case 2: return tile_of<2>(t);
    case 3: return tile_of<3>(t);
    case 4: return tile_of<4>(t);
    case 5: return tile_of<5>(t);
    case 6: return tile_of<6>(t);
  }
}

}  // namespace
}  // namespace halfword
