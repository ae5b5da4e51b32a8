// The loop of the W4A16 kernels, over what differs between instruction sets. A Machine has
//
//   Element, Vector        a packed; what is multiplied
//   vectors_at_once(rows)  how many vectors of columns a tile of so many rows takes at a time
//   kParts                 so many products make a step of eight columns of a
//   kTable                 whether codes without zero points are a case of their own
//   codes<part, zeros, few rows>(b, zero)
//                          the differences of codes and zero points in a part of the words at b
//   zero_points(z)         the zero points as codes() takes them
//   broadcast<part>(a)     the part of a step of a row that they are multiplied by
//   multiply_add(sum, x, y)
//                          as asm, because gcc moves sums between registers, and to the stack,
//                          around an intrinsic
//
// Include after one of the simd_*.h headers. All loops over registers are unrolled by pragma,
// without which gcc keeps the sums on the stack.
#pragma once

#include "cpu/gemm_w4a16_strip.h"

namespace halfword {
namespace {

// From the sums of a group to those of all. The latter are no array in memory, so that they stay in
// registers where there are enough: a load and a store of each sum would take as long as an eighth
// of the products of a group of 32.
template <int kRows, int kVectors>
HALFWORD_INLINE void close_group(const W4A16Tile& t, int64_t group, int64_t c,
                                 const F32 (&acc)[kRows][kVectors], F32 (&sum)[kRows][kVectors]) {
  const int64_t at = group * kTileColumns + c;
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const F32 scale = load_scales(t.scale, t.scale_dtype, at + v * kLanes);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) sum[r][v] = fma(acc[r][v], scale, sum[r][v]);
  }
  if (t.offset == nullptr) return;
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const F32 offset = load_scales(t.offset, t.scale_dtype, at + v * kLanes);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      sum[r][v] = fma(F32(t.a_sums[group * kRows + r]), offset, sum[r][v]);
    }
  }
}

template <class Machine, int kPart, bool kZeros, int kRows, int kVectors>
HALFWORD_INLINE void multiply_part(const typename Machine::Element* a, const uint8_t* b,
                                   const uint32_t* zero, F32 (&acc)[kRows][kVectors]) {
  typename Machine::Vector codes[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    codes[v] =
        Machine::template codes<kPart, kZeros, kRows <= 4>(b + 4 * kLanes * v, zero + kLanes * v);
  }
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
    const auto x = Machine::template broadcast<kPart>(a + r * kStepK);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) Machine::multiply_add(acc[r][v], x, codes[v]);
  }
}

template <class Machine, bool kZeros, int kRows>
void tile_of(const W4A16Tile& t) {
  constexpr int kVectors = Machine::vectors_at_once(kRows);
  for (int64_t c = 0; c < kTileColumns; c += kVectors * kLanes) {
    const auto* a = static_cast<const typename Machine::Element*>(t.a);
    const uint8_t* b = t.b + 4 * c;
    F32 sum[kRows][kVectors];
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = F32(0.0f);
    }
    for (int64_t k = 0, g = 0; k < t.k; k += t.group, ++g) {
      alignas(64) uint32_t zero[kVectors * kLanes];
      if (kZeros) {
#pragma GCC unroll 4
        for (int i = 0; i < kVectors * kLanes; i += kLanes) {
          U32 points(8u);
          if (t.zero_point != nullptr) {
            const uint8_t* from = t.zero_point + g * kTileColumns + c + i;
            points = load_bytes(reinterpret_cast<const int8_t*>(from));
          }
          store_words(zero + i, Machine::zero_points(points));
        }
      }
      F32 acc[kRows][kVectors];
#pragma GCC unroll 6
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) acc[r][v] = F32(0.0f);
      }
      const int64_t columns = t.k - k < t.group ? t.k - k : t.group;
      for (int64_t left = columns; left > 0; left -= kStepK) {
        multiply_part<Machine, 0, kZeros>(a, b, zero, acc);
        multiply_part<Machine, 2, kZeros>(a, b, zero, acc);
        multiply_part<Machine, 1, kZeros>(a, b, zero, acc);
        multiply_part<Machine, 3, kZeros>(a, b, zero, acc);
        if (Machine::kParts > 4) {
          multiply_part<Machine, 4 % Machine::kParts, kZeros>(a, b, zero, acc);
          multiply_part<Machine, 5 % Machine::kParts, kZeros>(a, b, zero, acc);
          multiply_part<Machine, 6 % Machine::kParts, kZeros>(a, b, zero, acc);
          multiply_part<Machine, 7 % Machine::kParts, kZeros>(a, b, zero, acc);
        }
        a += kRows * kStepK;
        b += 4 * kTileColumns;
      }
      close_group(t, g, c, acc, sum);
    }
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        store_floats(t.sum + r * kTileColumns + c + v * kLanes, sum[r][v]);
      }
    }
  }
}

template <class Machine, bool kZeros>
void tile_of_rows(const W4A16Tile& t) {
  switch (t.rows) {
    case 1: return tile_of<Machine, kZeros, 1>(t);
    case 2: return tile_of<Machine, kZeros, 2>(t);
    case 3: return tile_of<Machine, kZeros, 3>(t);
    case 4: return tile_of<Machine, kZeros, 4>(t);
    case 5: return tile_of<Machine, kZeros, 5>(t);
    case 6: return tile_of<Machine, kZeros, 6>(t);
  }
}

template <class Machine>
void tile(const W4A16Tile& t) {
  if (Machine::kTable && t.zero_point == nullptr) {
    tile_of_rows<Machine, !Machine::kTable>(t);
  } else {
    tile_of_rows<Machine, true>(t);
  }
}

}  // namespace
}  // namespace halfword
