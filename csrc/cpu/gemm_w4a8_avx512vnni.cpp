// Compiled with flags of its own: includes intrinsics and loops only, and calls nothing inline from
// a header that baseline code shares, or the linker could keep this copy for older machines.
//
// A tile holds its integer and float sums in 24 of the 32 registers: of three rows all columns of a
// panel, of more rows half of them at a time. (In the cache, float sums would cost as many cycles
// as the products of 16 columns of k.) All loops over registers are unrolled by pragma, without
// which gcc keeps the sums on the stack.
#include "cpu/simd_avx512.h"
// Scales are read in the vocabulary above.
#include "cpu/gemm_w4a8_run.h"
#include "cpu/gemm_w4a8_scale.h"

namespace halfword {
namespace {

constexpr int vectors_at_once(int rows) { return rows <= 3 ? 4 : 2; }
constexpr int64_t kRowPanels = 2;
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

// The codes + 8 of 64 bytes, columns 0 to 3 or 4 to 7 of a step. As asm, because gcc would read
// both at once and has no registers to keep them in.
HALFWORD_INLINE __m512i low_nibbles(const uint8_t* p, __m512i mask) {
  using Bytes = uint8_t[64];
  __m512i x;
  asm volatile("vpandd %1, %2, %0" : "=v"(x) : "m"(*reinterpret_cast<const Bytes*>(p)), "v"(mask));
  return x;
}
HALFWORD_INLINE __m512i high_nibbles(const uint8_t* p, __m512i mask) {
  using Bytes = uint8_t[64];
  __m512i x;
  asm volatile("vpsrlw $4, %1, %0" : "=v"(x) : "m"(*reinterpret_cast<const Bytes*>(p)));
  return _mm512_and_si512(x, mask);
}

void pack_strip(const W4A8Strip& s) {
  const __m256i ones = _mm256_set1_epi8(1);
  for (int64_t r = 0; r < s.rows; ++r) {
    const int8_t* a = s.a + r * s.row_stride;
    int8_t* packed = s.packed + r * kBlockK;
    int32_t* start = s.start + r;
    for (int64_t begin = 0; begin < s.k; begin += s.part, start += s.rows) {
      const int64_t end = begin + s.part < s.k ? begin + s.part : s.k;
      __m256i sum = _mm256_setzero_si256();
      for (int64_t k = begin; k < end; k += kBlockK, packed += s.rows * kBlockK) {
        const int64_t left = end - k;
        const __mmask32 first = left >= kBlockK ? ~__mmask32{0} : (__mmask32{1} << left) - 1;
        const __m256i x = _mm256_maskz_loadu_epi8(first, a + k);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(packed), x);
        sum = _mm256_dpbusd_epi32(sum, ones, x);
      }
      *start = -8 * static_cast<int32_t>(sum_of_lanes(U32(_mm512_zextsi256_si512(sum))));
    }
  }
}

// With zero points.
HALFWORD_INLINE __m512i start_of(__m512i start, const uint8_t* zero_point) {
  return _mm512_mullo_epi32(widen_bytes(zero_point), _mm512_srai_epi32(start, 3));
}

// Sums of the part as they begin, or as the last tile left them.
template <int kRows, int kVectors>
HALFWORD_INLINE void open_part(const W4A8Tile& t, int64_t part, int64_t c,
                               __m512i (&acc)[kRows][kVectors]) {
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
    const __m512i start = _mm512_set1_epi32(t.start[part * kRows + r]);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const int64_t column = c + v * kLanes;
      acc[r][v] = start;
      if (t.zero_point != nullptr) {
        acc[r][v] = start_of(start, t.zero_point + part * kInt4Panel + column);
      }
      if (!t.opens) acc[r][v] = _mm512_loadu_si512(t.acc + r * kInt4Panel + column);
    }
  }
}

template <int kRows, int kVectors, int kChains>
HALFWORD_INLINE void add_step(const int8_t* a, const uint8_t* b,
                              __m512i (&acc)[kChains][kRows][kVectors]) {
  const __m512i mask = _mm512_set1_epi8(15);
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    __m512i nibbles[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      nibbles[v] = half == 0 ? low_nibbles(b + 64 * v, mask) : high_nibbles(b + 64 * v, mask);
    }
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const __m512i value = broadcast_four(a + r * kBlockK + 4 * half);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        add_products(acc[half % kChains][r][v], nibbles[v], value);
      }
    }
  }
}

// Sums of the part to float sums, or to where the next tile finds them.
template <int kRows, int kVectors>
HALFWORD_INLINE void close_part(const W4A8Tile& t, int64_t part, int64_t c,
                                const __m512i (&acc)[kRows][kVectors],
                                __m512 (&sum)[kRows][kVectors]) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const int64_t i = part * kInt4Panel + c + v * kLanes;
    if (!t.closes) {
#pragma GCC unroll 6
      for (int r = 0; r < kRows; ++r) {
        _mm512_storeu_si512(t.acc + r * kInt4Panel + c + v * kLanes, acc[r][v]);
      }
      continue;
    }
    const __m512 scale = load_scales(t.scale, t.scale_dtype, i).v;

#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      sum[r][v] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(acc[r][v]), scale, sum[r][v]);
    }
    if (t.offset == nullptr) continue;
    const __m512 offset = load_scales(t.offset, t.scale_dtype, i).v;
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const __m512 sum_a = _mm512_set1_ps(static_cast<float>(t.start[part * kRows + r] / -8));
      sum[r][v] = _mm512_fmadd_ps(sum_a, offset, sum[r][v]);
    }
  }
}

HALFWORD_INLINE void ask_ahead(const uint8_t* p, int64_t bytes) {
  if (bytes == 0) return;
  prefetch(p);
  if (bytes == 64) return;
  prefetch(p + 64);
  if (bytes == 128) return;
  prefetch(p + 128);
  prefetch(p + 192);
}

// The columns from c on. Returns what is to be asked for next.
template <int kRows, int kVectors>
HALFWORD_INLINE const uint8_t* multiply_columns(const W4A8Tile& t, int64_t c,
                                                const uint8_t* ahead) {
  constexpr int kChains = kRows == 2 ? 2 : 1;  // a sum waits for the one before it
  const int8_t* a = t.a;
  const uint8_t* b = t.b + 4 * c;
  __m512 sum[kRows][kVectors];
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      sum[r][v] = _mm512_loadu_ps(t.sum + r * kInt4Panel + c + v * kLanes);
    }
  }
  for (int64_t left = t.k, part = 0; left > 0; left -= t.part, ++part) {
    __m512i acc[kChains][kRows][kVectors];
    open_part(t, part, c, acc[0]);
    if constexpr (kChains == 2) {
#pragma GCC unroll 2
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) acc[1][r][v] = _mm512_setzero_si512();
      }
    }
    int64_t k = left < t.part ? left : t.part;
    for (; k >= kBlockK; k -= kBlockK, a += kRows * kBlockK) {
#pragma GCC unroll 4
      for (int s = 0; s < kBlockK / kStepK; ++s, b += kStepBytes, ahead += t.ahead_step) {
        ask_ahead(ahead, t.ahead_step);
        add_step(a + s * kStepK, b, acc);
      }
    }
    for (; k > 0; k -= kStepK, a += kStepK, b += kStepBytes) add_step(a, b, acc);
    if constexpr (kChains == 2) {
#pragma GCC unroll 2
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          acc[0][r][v] = _mm512_add_epi32(acc[0][r][v], acc[1][r][v]);
        }
      }
    }
    close_part(t, part, c, acc[0], sum);
  }
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      _mm512_storeu_ps(t.sum + r * kInt4Panel + c + v * kLanes, sum[r][v]);
    }
  }
  return ahead;
}

// One row waits for memory, which gives more when it is read in several places, and when loads do
// not share their turns with prefetches. High nibbles are multiplied where they are, as 16 times
// their value, and have sums of their own.
template <int kPanels>
void row_of(const W4A8Tile& t) {
  constexpr int kVectors = kInt4Panel / kLanes;
  static_assert(GemmW4A8Params::kExactK / 2 * (15 << 4) * 128 < int64_t{1} << 31);
  const __m512i low = _mm512_set1_epi8(0x0f), high = _mm512_slli_epi32(low, 4);
  const int8_t* a = t.a;
  const uint8_t* b = t.b;
  __m512 sum[kPanels][1][kVectors];
#pragma GCC unroll 2
  for (int p = 0; p < kPanels; ++p) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      sum[p][0][v] = _mm512_loadu_ps(t.sum + p * kInt4Panel + v * kLanes);
    }
  }
  for (int64_t left = t.k, part = 0; left > 0; left -= t.part, ++part) {
    __m512i acc[kPanels][1][kVectors], acc16[kPanels][kVectors];
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      open_part(t, part, p * t.panel_scales, acc[p]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc16[p][v] = _mm512_setzero_si512();
    }
    for (int64_t k = left < t.part ? left : t.part; k > 0; k -= kStepK, a += kStepK) {
      const __m512i first = broadcast_four(a), second = broadcast_four(a + 4);
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          __m512i pairs = _mm512_loadu_si512(b + p * t.panel_bytes + 64 * v);
          asm volatile("" : "+v"(pairs));  // or gcc reads them twice: loads are what is scarce
          add_products(acc[p][0][v], _mm512_and_si512(pairs, low), first);
          add_products(acc16[p][v], _mm512_and_si512(pairs, high), second);
        }
      }
      b += kStepBytes;
    }
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        acc[p][0][v] = _mm512_add_epi32(acc[p][0][v], _mm512_srai_epi32(acc16[p][v], 4));
      }
      close_part(t, part, p * t.panel_scales, acc[p], sum[p]);
    }
  }
#pragma GCC unroll 2
  for (int p = 0; p < kPanels; ++p) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      _mm512_storeu_ps(t.sum + p * kInt4Panel + v * kLanes, sum[p][0][v]);
    }
  }
}

template <int kRows>
void tile_of(const W4A8Tile& t) {
  constexpr int kVectors = vectors_at_once(kRows);
  const uint8_t* ahead = t.ahead;
  for (int64_t c = 0; c < kInt4Panel; c += kVectors * kLanes) {
    ahead = multiply_columns<kRows, kVectors>(t, c, ahead);
    if (t.ahead_step == kStepBytes) ahead = t.ahead;
  }
}

using Tile = void (*)(const W4A8Tile&);
constexpr Tile kTiles[kStripRows] = {row_of<1>,  tile_of<2>, tile_of<3>,
                                     tile_of<4>, tile_of<5>, tile_of<6>};

void tile(const W4A8Tile& t) {
  if (t.panels == kRowPanels) return row_of<kRowPanels>(t);
  kTiles[t.rows - 1](t);
}

}  // namespace

const GemmW4A8Kernels gemm_w4a8_kernels_avx512vnni = {
    kStripRows, 2, kRowPanels, pack_strip, tile, &gemm_int8_kernels_avx512vnni};

}  // namespace halfword
