// Compiled with flags of its own: includes intrinsics and loops only, and calls nothing inline from
// a header that baseline code shares, or the linker could keep this copy for older machines.
//
// A tile holds kStripRows x kTileColumns sums in 24 of the 32 registers. All loops over registers
// are unrolled by pragma, without which gcc keeps the sums on the stack.
#include "cpu/simd_avx512.h"
// The last pass is written in the vocabulary above.
#include "cpu/gemm_int8_finish.h"

namespace halfword {
namespace {

constexpr int kLanes32 = 16;

// As asm, because gcc moves sums between registers, and to the stack, around the intrinsic.
HALFWORD_INLINE void add_products(__m512i& sum, __m512i u8, __m512i s8) {
  asm volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(u8), "v"(s8));
}

// Into a register that all rows use: gcc would rather read b again for each. One or two rows wait
// for memory, and do not want it.
template <int kRows>
HALFWORD_INLINE __m512i load_once(const uint8_t* b) {
  __m512i bytes = _mm512_loadu_si512(b);
  if constexpr (kRows > 2) asm volatile("" : "+v"(bytes));
  return bytes;
}

HALFWORD_INLINE __mmask64 first_bytes(int64_t count) {
  return count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1;
}

void pack_strip(const GemmStrip& s) {
  const __m512i ones = _mm512_set1_epi8(1);
  for (int64_t r = 0; r < s.rows; ++r) {
    const int8_t* a = s.a + r * s.row_stride;
    auto* packed = static_cast<int8_t*>(s.packed) + r * kStripK;
    __m512i sum = _mm512_setzero_si512();
    for (int64_t k = 0; k < s.k; k += kStripK, packed += s.rows * kStripK) {
      const __m512i x = _mm512_maskz_loadu_epi8(first_bytes(s.k - k), a + k);
      _mm512_storeu_si512(packed, x);
      sum = _mm512_dpbusd_epi32(sum, ones, x);
    }
    s.start[r] = -128 * _mm512_reduce_add_epi32(sum);
  }
}

// Few rows wait for memory, which gives more when it is read in several places: in as many parts of
// k as there are registers for their sums. Where other strips read them too, the bytes are better
// prefetched from one place.
constexpr int parts_at_once(int rows) { return rows == 1 ? 4 : rows <= 3 ? 2 : 1; }

// Adds the sums of kParts parts of `k`, a multiple of kStripK each.
template <int kRows, int kVectors, int kParts>
HALFWORD_INLINE void add_parts(const int8_t* a, const uint8_t* b, int64_t k,
                               __m512i (&acc)[kRows][kVectors]) {
  __m512i more[kParts][kRows][kVectors];
#pragma GCC unroll 4
  for (int p = 0; p < kParts; ++p) {
#pragma GCC unroll 3
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) more[p][r][v] = _mm512_setzero_si512();
    }
  }
  for (int64_t i = 0; i < k / 4; ++i, b += 64 * kVectors) {
    const int8_t* four = a + i / (kStripK / 4) * (kRows * kStripK) + i % (kStripK / 4) * 4;
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p) {
      const uint8_t* part = b + p * (k / 4) * (64 * kVectors);
      __m512i bytes[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) bytes[v] = load_once<kRows>(part + 64 * v);
#pragma GCC unroll 3
      for (int r = 0; r < kRows; ++r) {
        int32_t word;
        __builtin_memcpy(&word, four + (p * (k / kStripK) * kRows + r) * kStripK, 4);
        const __m512i value = _mm512_set1_epi32(word);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          add_products(more[p][r][v], bytes[v], value);
        }
      }
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < kParts; ++p) {
#pragma GCC unroll 3
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[r][v] = _mm512_add_epi32(acc[r][v], more[p][r][v]);
    }
  }
}

template <int kRows, int kVectors>
void tile_of(const GemmTile& t) {
  constexpr int kParts = parts_at_once(kRows);
  __m512i acc[kRows][kVectors];
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      acc[r][v] = t.start != nullptr ? _mm512_set1_epi32(t.start[r])
                                     : _mm512_loadu_si512(t.acc + r * kTileColumns + v * kLanes32);
    }
  }
  const auto* a = static_cast<const int8_t*>(t.a);
  const uint8_t* b = t.b;
  const uint8_t* ahead = t.ahead;
  int64_t left = t.k;
  if constexpr (kParts > 1) {
    const int64_t part = t.is_alone ? t.k / (kParts * kStripK) * kStripK : 0;
    add_parts<kRows, kVectors, kParts>(a, b, part, acc);
    a += kParts * part * kRows;
    b += kParts * part * (16 * kVectors);
    left -= kParts * part;
  }
  for (; left > 0; left -= kStripK, a += kRows * kStripK) {
    const int64_t steps = left < kStripK ? (left + 3) / 4 : kStripK / 4;
    for (int64_t s = 0; s < steps; ++s, b += 64 * kVectors, ahead += t.ahead_step) {
      __m512i bytes[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        bytes[v] = load_once<kRows>(b + 64 * v);
        _mm_prefetch(reinterpret_cast<const char*>(ahead + 64 * v), _MM_HINT_T1);
      }
#pragma GCC unroll 6
      for (int r = 0; r < kRows; ++r) {
        int32_t four;
        __builtin_memcpy(&four, a + r * kStripK + 4 * s, 4);
        const __m512i value = _mm512_set1_epi32(four);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          add_products(acc[r][v], bytes[v], value);
        }
      }
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      _mm512_storeu_si512(t.acc + r * kTileColumns + v * kLanes32, acc[r][v]);
    }
  }
}

using Tile = void (*)(const GemmTile&);
constexpr Tile kTiles[kStripRows][4] = {
    {tile_of<1, 1>, tile_of<1, 2>, tile_of<1, 3>, tile_of<1, 4>},
    {tile_of<2, 1>, tile_of<2, 2>, tile_of<2, 3>, tile_of<2, 4>},
    {tile_of<3, 1>, tile_of<3, 2>, tile_of<3, 3>, tile_of<3, 4>},
    {tile_of<4, 1>, tile_of<4, 2>, tile_of<4, 3>, tile_of<4, 4>},
    {tile_of<5, 1>, tile_of<5, 2>, tile_of<5, 3>, tile_of<5, 4>},
    {tile_of<6, 1>, tile_of<6, 2>, tile_of<6, 3>, tile_of<6, 4>}};

void tile(const GemmTile& t) { kTiles[t.rows - 1][t.columns / kLanes32 - 1](t); }

// The sums over the lanes of four vectors.
HALFWORD_INLINE __m128i add_lanes(const __m512i (&x)[4]) {
  const __m512i front =
      _mm512_add_epi32(_mm512_unpacklo_epi32(x[0], x[1]), _mm512_unpackhi_epi32(x[0], x[1]));
  const __m512i back =
      _mm512_add_epi32(_mm512_unpacklo_epi32(x[2], x[3]), _mm512_unpackhi_epi32(x[2], x[3]));
  const __m512i all =
      _mm512_add_epi32(_mm512_unpacklo_epi64(front, back), _mm512_unpackhi_epi64(front, back));
  const __m256i half =
      _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

template <int kRows>
void dots_of(const GemmDots& d) {
  const __m512i offset = _mm512_set1_epi8(-128);
  const int8_t* rows[kDotRows];
  for (int64_t c = 0; c < kDotRows; ++c) {  // one that is not there is the last one once more
    rows[c] = d.b + (c < d.b_rows ? c : d.b_rows - 1) * d.b_stride;
  }
  __m512i acc[kRows][kDotRows];
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < kDotRows; ++c) acc[r][c] = _mm512_setzero_si512();
  }
  const auto* a = static_cast<const int8_t*>(d.a);
  for (int64_t k = 0; k < d.k; k += kStripK, a += kRows * kStripK) {
    const __mmask64 first = first_bytes(d.k - k);
    __m512i b[kDotRows];
#pragma GCC unroll 4
    for (int c = 0; c < kDotRows; ++c) {
      b[c] = _mm512_xor_si512(_mm512_maskz_loadu_epi8(first, rows[c] + k), offset);
      _mm_prefetch(reinterpret_cast<const char*>(rows[c] + k + d.ahead), _MM_HINT_T1);
    }
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const __m512i value = _mm512_loadu_si512(a + r * kStripK);
#pragma GCC unroll 4
      for (int c = 0; c < kDotRows; ++c) add_products(acc[r][c], b[c], value);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
    auto* to = reinterpret_cast<__m128i*>(d.acc + r * kTileColumns);
    const __m128i start = d.start != nullptr ? _mm_set1_epi32(d.start[r]) : _mm_loadu_si128(to);
    _mm_storeu_si128(to, _mm_add_epi32(start, add_lanes(acc[r])));
  }
}

void dots(const GemmDots& d) {
  switch (d.rows) {
    case 1: return dots_of<1>(d);
    case 2: return dots_of<2>(d);
    case 3: return dots_of<3>(d);
    case 4: return dots_of<4>(d);
    case 5: return dots_of<5>(d);
    case 6: return dots_of<6>(d);
  }
}

}  // namespace

const GemmInt8Kernels gemm_int8_kernels_avx512vnni = {1, pack_strip, tile, dots, finish_tile};

}  // namespace halfword
