// The W4A8 kernels of 256-bit vectors. Include after simd_avx2.h and a definition of
//
//   add_products(__m256i& sum, __m256i u8, __m256i s8)
//       of bytes up to 31: adds the products of four pairs to each word, exactly
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
    int32_t* sums = s.sums + r;
    for (int64_t begin = 0; begin < s.k; begin += s.part, sums += s.rows) {
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
      *sums = static_cast<int32_t>(sum_of_lanes(U32(sum)));
    }
  }
}

void unpack(const W4A8Unpack& u) {
  const __m256i mask = _mm256_set1_epi8(15);
  for (int64_t c = 0; c < kInt4Panel; c += kLanes) {
    for (int64_t k = 0, group = 0; k < u.k; ++group) {
      __m256i shift = _mm256_set1_epi8(8);
      if (u.zero_point != nullptr) {
        const __m256i zero = _mm256_cvtepu8_epi32(_mm_loadl_epi64(
            reinterpret_cast<const __m128i*>(u.zero_point + group * kInt4Panel + c)));
        shift = _mm256_sub_epi8(_mm256_set1_epi8(16),
                                _mm256_mullo_epi32(zero, _mm256_set1_epi32(0x01010101)));
      }
      const int64_t end = k + u.group < u.k ? k + u.group : u.k;
      for (; k < end; k += kStepK) {
        const __m256i x = load_vector(u.nibbles + k / kStepK * kStepBytes + 4 * c);
        uint8_t* to = u.bytes + k * kInt4Panel + 4 * c;
        const __m256i high = _mm256_and_si256(_mm256_srli_epi16(x, 4), mask);
        store_vector(to, _mm256_add_epi8(_mm256_and_si256(x, mask), shift));
        store_vector(to + kStepBytes, _mm256_add_epi8(high, shift));
      }
    }
  }
}

// Sums of part number `part` and columns from c on to float sums, or back to where the next tile
// finds them.
template <int kRows>
HALFWORD_INLINE void close_part(const W4A8Tile& t, int64_t part, int64_t c,
                                const __m256i (&acc)[kRows][kVectors]) {
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    const int64_t i = part * kInt4Panel + c + v * kLanes;
    const __m256 scale = t.closes ? load_scales(t.scale, t.scale_dtype, i).v : _mm256_setzero_ps();
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const int64_t place = r * kInt4Panel + c + v * kLanes;
      if (t.closes) {
        const __m256 sum = _mm256_loadu_ps(t.sum + place);
        _mm256_storeu_ps(t.sum + place, _mm256_fmadd_ps(_mm256_cvtepi32_ps(acc[r][v]), scale, sum));
      } else {
        store_vector(t.acc + place, acc[r][v]);
      }
    }
  }
  if (t.offset == nullptr || !t.closes) return;
  for (int v = 0; v < kVectors; ++v) {
    const int64_t i = part * kInt4Panel + c + v * kLanes;
    const __m256 offset = load_scales(t.offset, t.scale_dtype, i).v;
    for (int r = 0; r < kRows; ++r) {
      float* sum = t.sum + r * kInt4Panel + c + v * kLanes;
      const __m256 sum_a = _mm256_set1_ps(static_cast<float>(t.sums[part * kRows + r]));
      _mm256_storeu_ps(sum, _mm256_fmadd_ps(sum_a, offset, _mm256_loadu_ps(sum)));
    }
  }
}

template <int kRows>
void tile_of(const W4A8Tile& t) {
  for (int64_t c = 0; c < kInt4Panel; c += kColumnsAtOnce) {
    const int8_t* a = t.a;
    const uint8_t* b = t.b + 4 * c;
    for (int64_t left = t.k, part = 0; left > 0; left -= t.part, ++part) {
      __m256i acc[kRows][kVectors];
#pragma GCC unroll 6
      for (int r = 0; r < kRows; ++r) {
        const __m256i start = _mm256_set1_epi32(-16 * t.sums[part * kRows + r]);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) {
          acc[r][v] = t.opens ? start : load_vector(t.acc + r * kInt4Panel + c + v * kLanes);
        }
      }
      for (int64_t k = left < t.part ? left : t.part; k > 0; k -= kBlockK) {
        for (int s = 0; s < kBlockK / 4; ++s, b += 4 * kInt4Panel) {
          const __m256i b0 = load_vector(b), b1 = load_vector(b + 32);
#pragma GCC unroll 6
          for (int r = 0; r < kRows; ++r) {
            int32_t four;
            __builtin_memcpy(&four, a + r * kBlockK + 4 * s, 4);
            const __m256i value = _mm256_set1_epi32(four);
            add_products(acc[r][0], b0, value);
            add_products(acc[r][1], b1, value);
          }
        }
        a += kRows * kBlockK;
      }
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
