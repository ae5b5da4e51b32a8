// What the W4A16 kernels of all instruction sets have in common with their launcher.
//
// a is packed at each call: strips of up to kStripRows rows, each [ceil(k / 8)][rows][8] elements
// with zeros past k. An element is a float, or a bfloat16; those are in the order of kPairOrder.
//
// A panel is read as its nibbles lie, by every strip anew: they become floats between the
// multiplications, which wait for nothing else.
#pragma once

#include <cstdint>

#include "cpu/gemm_int8_run.h"
#include "ops/gemm_w4a16.h"

namespace halfword {

constexpr int64_t kStepK = 8;  // columns of a word of a panel
static_assert(kTileColumns == kInt4Panel && kInt4GroupStep % kStepK == 0);

// The two nibbles that a word has at bits 4 i and 4 i + 16 are columns kPairOrder[2 i] and
// kPairOrder[2 i + 1] of its eight.
constexpr int kPairOrder[kStepK] = {0, 2, 4, 6, 1, 3, 5, 7};
// Where column j has its nibble.
constexpr int nibble_bit(int j) { return j % 4 * 8 + j / 4 * 4; }

struct W4A16Strip {
  const void* a;
  Dtype dtype;
  int64_t row_stride;
  int64_t rows;
  int64_t k;
  int64_t group;
  void* packed;
  float* sums;  // of a: [groups][rows]; or null
};

// sum[r, c] = sum over groups of (sum_k a[r, k] * (b[c, k] - zero_point[c])) * scale[c]
//           + (sum_k a[r, k]) * offset[c]
struct W4A16Tile {
  const void* a;  // a strip
  int64_t rows;
  const uint8_t* b;  // a panel
  int64_t k;
  int64_t group;
  Dtype scale_dtype;
  const void* scale;          // [groups][kTileColumns], as the next two
  const uint8_t* zero_point;  // or null
  const void* offset;         // or null
  const float* a_sums;        // [groups][rows], with an offset
  float* sum;                 // [rows][kTileColumns]
  // One row may meet several neighbouring panels at once. From one to the next it is so many bytes
  // of b, and scales, offsets and zero points; in sum it is kTileColumns.
  int64_t panels;
  int64_t panel_bytes;
  int64_t panel_scales;
};

struct GemmW4A16Kernels {
  int64_t element_size;  // of a packed
  int64_t row_panels;    // of a tile of one row
  void (*pack_strip)(const W4A16Strip& strip);
  void (*tile)(const W4A16Tile& tile);
  void (*finish)(const GemmFinish& finish);
};

extern const GemmW4A16Kernels gemm_w4a16_kernels_portable;
extern const GemmW4A16Kernels gemm_w4a16_kernels_avx2;
extern const GemmW4A16Kernels gemm_w4a16_kernels_avx512;
extern const GemmW4A16Kernels gemm_w4a16_kernels_avx512bf16;  // for bfloat16 activations

}  // namespace halfword
