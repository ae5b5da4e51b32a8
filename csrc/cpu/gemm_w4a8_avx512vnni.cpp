// Compiled with flags of its own: includes intrinsics and loops only, and calls nothing inline from
// a header that baseline code shares, or the linker could keep this copy for older machines.
//
// A tile holds kStripRows x kInt4Panel sums in 24 of the 32 registers. All loops over registers are
// unrolled by pragma, without which gcc keeps the sums on the stack.
#include "cpu/simd_avx512.h"
// Scales are read in the vocabulary above.
#include "cpu/gemm_w4a8_run.h"
#include "cpu/gemm_w4a8_scale.h"

namespace halfword {
namespace {

constexpr int kVectors = kInt4Panel / kLanes;
constexpr int64_t kStepBytes = kStepK / 2 * kInt4Panel;

// As asm, because gcc moves sums between registers, and to the stack, around the intrinsic.
HALFWORD_INLINE void add_products(__m512i& sum, __m512i u8, __m512i s8) {
  asm volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(u8), "v"(s8));
}

HALFWORD_INLINE __m512i broadcast_four(const int8_t* a) {
  int32_t four;
  __builtin_memcpy(&four, a, 4);
  return _mm512_set1_epi32(four);
}

HALFWORD_INLINE void prefetch(const uint8_t* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T1);
}

// One byte for each of 16 columns, as words.
HALFWORD_INLINE __m512i widen_bytes(const uint8_t* p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

HALFWORD_INLINE __m512i low_nibbles(__m512i x) { return _mm512_and_si512(x, _mm512_set1_epi8(15)); }
HALFWORD_INLINE __m512i high_nibbles(__m512i x) { return low_nibbles(_mm512_srli_epi16(x, 4)); }

void pack_strip(const W4A8Strip& s) {
  const __m256i ones = _mm256_set1_epi8(1);
  for (int64_t r = 0; r < s.rows; ++r) {
    const int8_t* a = s.a + r * s.row_stride;
    int8_t* packed = s.packed + r * kBlockK;
    int32_t* sums = s.sums + r;
    for (int64_t begin = 0; begin < s.k; begin += s.part, sums += s.rows) {
      const int64_t end = begin + s.part < s.k ? begin + s.part : s.k;
      __m256i sum = _mm256_setzero_si256();
      for (int64_t k = begin; k < end; k += kBlockK, packed += s.rows * kBlockK) {
        const int64_t left = end - k;
        const __mmask32 first = left >= kBlockK ? ~__mmask32{0} : (__mmask32{1} << left) - 1;
        const __m256i x = _mm256_maskz_loadu_epi8(first, a + k);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(packed), x);
        sum = _mm256_dpbusd_epi32(sum, ones, x);
      }
      *sums = static_cast<int32_t>(sum_of_lanes(U32(_mm512_zextsi256_si512(sum))));
    }
  }
}

void unpack(const W4A8Unpack& u) {
  const uint8_t* from = u.nibbles;
  uint8_t* to = u.bytes;
  for (int64_t begin = 0, group = 0; begin < u.k; begin += u.group, ++group) {
    __m512i shift[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      shift[v] = _mm512_set1_epi8(8);
      if (u.zero_point == nullptr) continue;
      const __m512i zero = widen_bytes(u.zero_point + group * kInt4Panel + v * kLanes);
      shift[v] = _mm512_sub_epi8(_mm512_set1_epi8(16),
                                 _mm512_mullo_epi32(zero, _mm512_set1_epi32(0x01010101)));
    }
    const int64_t end = begin + u.group < u.k ? begin + u.group : u.k;
    for (int64_t k = begin; k < end; k += kStepK, from += kStepBytes, to += 2 * kStepBytes) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const __m512i x = _mm512_loadu_si512(from + 64 * v);
        _mm512_storeu_si512(to + 64 * v, _mm512_add_epi8(low_nibbles(x), shift[v]));
        _mm512_storeu_si512(to + kStepBytes + 64 * v, _mm512_add_epi8(high_nibbles(x), shift[v]));
      }
    }
  }
}

// Sums of part number `part` to float sums, or back to where the next tile finds them.
template <int kRows>
HALFWORD_INLINE void close_part(const W4A8Tile& t, int64_t part,
                                const __m512i (&acc)[kRows][kVectors]) {
  if (!t.closes) {
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        _mm512_storeu_si512(t.acc + r * kInt4Panel + v * kLanes, acc[r][v]);
      }
    }
    return;
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const int64_t i = part * kInt4Panel + v * kLanes;
    const __m512 scale = load_scales(t.scale, t.scale_dtype, i).v;
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      float* sum = t.sum + r * kInt4Panel + v * kLanes;
      _mm512_storeu_ps(sum,
                       _mm512_fmadd_ps(_mm512_cvtepi32_ps(acc[r][v]), scale, _mm512_loadu_ps(sum)));
    }
  }
  if (t.offset == nullptr) return;
  for (int v = 0; v < kVectors; ++v) {
    const int64_t i = part * kInt4Panel + v * kLanes;
    const __m512 offset = load_scales(t.offset, t.scale_dtype, i).v;
    for (int r = 0; r < kRows; ++r) {
      float* sum = t.sum + r * kInt4Panel + v * kLanes;
      const __m512 sum_a = _mm512_set1_ps(static_cast<float>(t.sums[part * kRows + r]));
      _mm512_storeu_ps(sum, _mm512_fmadd_ps(sum_a, offset, _mm512_loadu_ps(sum)));
    }
  }
}

template <int kRows>
void tile_of(const W4A8Tile& t) {
  const int8_t* a = t.a;
  const uint8_t* b = t.b;
  const uint8_t* ahead = t.ahead;
  for (int64_t left = t.k, part = 0; left > 0; left -= t.part, ++part) {
    __m512i acc[kRows][kVectors];
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const __m512i start = _mm512_set1_epi32(-16 * t.sums[part * kRows + r]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        acc[r][v] = t.opens ? start : _mm512_loadu_si512(t.acc + r * kInt4Panel + v * kLanes);
      }
    }
    for (int64_t k = left < t.part ? left : t.part; k > 0; k -= kBlockK) {
#pragma GCC unroll 8
      for (int s = 0; s < kBlockK / 4; ++s) {
        prefetch(ahead + 64 * s);
        __m512i bytes[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) bytes[v] = _mm512_loadu_si512(b + s * 256 + 64 * v);
#pragma GCC unroll 6
        for (int r = 0; r < kRows; ++r) {
          const __m512i value = broadcast_four(a + r * kBlockK + 4 * s);
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) add_products(acc[r][v], bytes[v], value);
        }
      }
      a += kRows * kBlockK;
      b += kBlockK * kInt4Panel;
      ahead += t.ahead_step;
    }
    close_part<kRows>(t, part, acc);
  }
}

// Sums of nibbles, which are code + 8, begin at this; those of codes 0 without zero points.
HALFWORD_INLINE __m512i start_of_nibbles(const W4A8Tile& t, int64_t part, int32_t sum_a, int v) {
  if (t.zero_point == nullptr) return _mm512_set1_epi32(-8 * sum_a);
  const __m512i zero = widen_bytes(t.zero_point + part * kInt4Panel + v * kLanes);
  return _mm512_mullo_epi32(zero, _mm512_set1_epi32(-sum_a));
}

// From how far ahead nibbles are asked for: measured.
constexpr int64_t kNearBytes = 4096;

template <int kRows, int kChains>
HALFWORD_INLINE void add_step(const int8_t* a, const uint8_t* b,
                              __m512i (&acc)[kChains][kRows][kVectors]) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    prefetch(b + kNearBytes + 64 * v);
    const __m512i x = _mm512_loadu_si512(b + 64 * v);
    const __m512i low = low_nibbles(x), high = high_nibbles(x);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      add_products(acc[0][r][v], low, broadcast_four(a + r * kBlockK));
      add_products(acc[kChains - 1][r][v], high, broadcast_four(a + r * kBlockK + 4));
    }
  }
}

template <int kRows>
void dots_of(const W4A8Tile& t) {
  constexpr int kChains = kRows <= 2 ? 2 : 1;  // a sum waits for the one before it
  const int8_t* a = t.a;
  const uint8_t* b = t.b;
  for (int64_t left = t.k, part = 0; left > 0; left -= t.part, ++part) {
    __m512i acc[kChains][kRows][kVectors];
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const int32_t sum_a = t.sums[part * kRows + r];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        acc[kChains - 1][r][v] = _mm512_setzero_si512();
        acc[0][r][v] = t.opens ? start_of_nibbles(t, part, sum_a, v)
                               : _mm512_loadu_si512(t.acc + r * kInt4Panel + v * kLanes);
      }
    }
    int64_t k = left < t.part ? left : t.part;
    for (; k >= kBlockK; k -= kBlockK, a += kRows * kBlockK) {
#pragma GCC unroll 4
      for (int s = 0; s < kBlockK / kStepK; ++s, b += kStepBytes) {
        add_step<kRows, kChains>(a + s * kStepK, b, acc);
      }
    }
    for (; k > 0; k -= kStepK, a += kStepK, b += kStepBytes) {
      add_step<kRows, kChains>(a, b, acc);
    }
    if constexpr (kChains == 2) {
#pragma GCC unroll 6
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          acc[0][r][v] = _mm512_add_epi32(acc[0][r][v], acc[1][r][v]);
        }
      }
    }
    close_part<kRows>(t, part, acc[0]);
  }
}

using Tile = void (*)(const W4A8Tile&);
constexpr Tile kTiles[kStripRows] = {tile_of<1>, tile_of<2>, tile_of<3>,
                                     tile_of<4>, tile_of<5>, tile_of<6>};
constexpr Tile kDots[kStripRows] = {dots_of<1>, dots_of<2>, dots_of<3>,
                                    dots_of<4>, dots_of<5>, dots_of<6>};

void tile(const W4A8Tile& t) { kTiles[t.rows - 1](t); }
void dots(const W4A8Tile& t) { kDots[t.rows - 1](t); }

}  // namespace

const GemmW4A8Kernels gemm_w4a8_kernels_avx512vnni = {
    kStripRows, pack_strip, unpack, tile, dots, &gemm_int8_kernels_avx512vnni};

}  // namespace halfword
