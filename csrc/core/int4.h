// A matrix of 4-bit weights, as the kernels read it.
//
//   value[n, k] = (code[n, k] - zero_point[n, g]) * scale[n, g]     g = k / group
//               |  code[n, k] * scale[n, g] + offset[n, g]          with offsets in place of zero
//               points
//
// A code is one of -8 to 7 and lies in memory as the nibble code + 8. Nibbles past the end are 8,
// so that they stand for 0. A zero point is one of -8 to 8 and lies in memory as the byte
// zero_point + 8.
//
//   kNibbles      to be stored: [n][ceil(k / 2)] bytes, the even column in the low nibble
//   kPanels       for the CPU: panels of kPanel rows (the last one too), each
//                 [ceil(k / 8)][kPanel][4]: of columns 8 i to 8 i + 7, byte j has column 8 i + j in
//                 the low nibble and 8 i + 4 + j in the high one. Scales, zero points and offsets
//                 are [panels][groups][kPanel], with zeros past row n.
//   kFragments16  for CUDA and 16-bit activations: [n][ceil(k / 32)][4] little-endian words. Of 32
//                 columns, nibble i of word t is column 2t + 8i for i < 4, and 2t + 8(i - 4) + 1
//                 from there on. Scales, zero points and offsets are [groups][n].
//   kFragments8   for CUDA and 8-bit activations: [n][ceil(k / 32)][16] bytes; byte j has column j
//                 of 32 in the low nibble and j + 16 in the high one. Scales as above.
//
// The number of a layout never gets another meaning.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "core/host_device.h"

namespace halfword {

enum class Int4Layout : int32_t {
  kNibbles = 0,
  kPanels = 1,
  kFragments16 = 2,
  kFragments8 = 3,
};

constexpr int64_t kInt4Panel = 64;      // rows
constexpr int64_t kInt4GroupStep = 32;  // what a group is a multiple of, unless it is a whole row
constexpr int64_t kInt4FragmentK = 32;  // columns of 16 bytes

constexpr int64_t int4_bytes(Int4Layout layout, int64_t n, int64_t k) {
  switch (layout) {
    case Int4Layout::kNibbles: return n * ((k + 1) / 2);
    case Int4Layout::kPanels:
      return (n + kInt4Panel - 1) / kInt4Panel * kInt4Panel * ((k + 7) / 8 * 4);
    case Int4Layout::kFragments16:
    case Int4Layout::kFragments8: return n * ((k + kInt4FragmentK - 1) / kInt4FragmentK * 16);
  }
  return 0;
}

// A layout as the packing kernels see it: a row is cut into chunks of 2^shift bytes, and byte j of
// a chunk has column low_column(j) of it in the low nibble and the one `high_step` further on in
// the high one.
struct Int4Chunks {
  Int4Layout layout;
  int shift;      // of bytes
  int high_step;  // columns

  HALFWORD_INLINE constexpr int bytes() const { return 1 << shift; }
  HALFWORD_INLINE constexpr int columns() const { return 2 << shift; }
  HALFWORD_INLINE constexpr int64_t in_row(int64_t k) const {
    return (k + columns() - 1) >> (shift + 1);
  }
  HALFWORD_INLINE constexpr int low_column(int j) const {
    return layout == Int4Layout::kFragments16 ? j / 4 * 2 + j % 2 * 16 + j / 2 % 2 : j;
  }
  // Which chunk of the matrix the first one of a row is, and how far apart those of a row are.
  HALFWORD_INLINE constexpr int64_t first(int64_t row, int64_t in_row) const {
    return layout == Int4Layout::kPanels ? row / kInt4Panel * kInt4Panel * in_row + row % kInt4Panel
                                         : row * in_row;
  }
  HALFWORD_INLINE constexpr int64_t step() const {
    return layout == Int4Layout::kPanels ? kInt4Panel : 1;
  }
};

constexpr Int4Chunks int4_chunks(Int4Layout layout) {
  switch (layout) {
    case Int4Layout::kNibbles: break;
    case Int4Layout::kPanels: return {layout, 2, 4};
    case Int4Layout::kFragments16: return {layout, 4, 8};
    case Int4Layout::kFragments8: return {layout, 4, 16};
  }
  return {layout, 0, 1};
}

// Two codes as a byte, and back.
HALFWORD_INLINE constexpr uint8_t int4_pair(int low, int high) {
  return static_cast<uint8_t>(((low & 15) | ((high & 15) << 4)) ^ 0x88);
}
HALFWORD_INLINE constexpr int8_t int4_low(uint8_t pair) {
  return static_cast<int8_t>((pair & 15) - 8);
}
HALFWORD_INLINE constexpr int8_t int4_high(uint8_t pair) {
  return static_cast<int8_t>((pair >> 4) - 8);
}

struct Int4Matrix {
  const uint8_t* data;
  Int4Layout layout;
  const void* scale;
  Dtype scale_dtype;
  const uint8_t* zero_point;  // or null: 8 for all
  const void* offset;         // of scale_dtype; or null. Not both.
  int64_t n;
  int64_t k;
  int64_t group;  // columns: a multiple of kInt4GroupStep, or at least k

  constexpr int64_t groups() const { return group == 0 ? 0 : (k + group - 1) / group; }
};

}  // namespace halfword
