// What the W4A8 kernels of all instruction sets have in common with their launcher.
//
// a is packed at each call: strips of up to kStripRows rows, each [ceil(k /
// kBlockK)][rows][kBlockK] codes with zeros past k, so that a tile reads a strip from front to
// back.
//
// A part is columns whose products are one integer sum: those of a group, or kExactK of them. A
// nibble is code + 8, and a sum starts at what that is too much: -8 times the sum of a over the
// part, or with zero points -(8 + zero_point) times.
#pragma once

#include <cstdint>

#include "core/host_device.h"
#include "cpu/gemm_int8_run.h"
#include "ops/gemm_w4a8.h"

namespace halfword {

constexpr int64_t kBlockK = kInt4GroupStep;
constexpr int64_t kStepK = 8;  // columns of a step of a panel

// Rows of a to a strip.
struct W4A8Strip {
  const int8_t* a;
  int64_t row_stride;
  int64_t rows;
  int64_t k;
  int64_t part;  // columns
  int8_t* packed;
  int32_t* start;  // [ceil(k / part)][rows]: -8 * sum of a
};

// For each part: acc = sum_k a * (code - zero_point), then sum = fma(float(acc), scale, sum), and
// the same with the sum of a and the offset.
struct W4A8Tile {
  const int8_t* a;  // a strip, or its blocks from some k on
  int64_t rows;
  const uint8_t* b;  // a panel from that k on
  int64_t k;
  int64_t part;               // columns
  const int32_t* start;       // [parts][rows]
  const void* scale;          // [parts][kInt4Panel], as the next two
  const void* offset;         // or null
  const uint8_t* zero_point;  // or null
  Dtype scale_dtype;
  // Of a part that is longer than this tile, acc is kept. Null: this tile opens and closes all.
  int32_t* acc;  // [rows][kInt4Panel]
  bool opens;
  bool closes;
  float* sum;  // [rows][kInt4Panel]
  // One row may meet several neighbouring panels at once. From one to the next it is so many bytes
  // of b, and scales, offsets and zero points; in sum it is kInt4Panel.
  int64_t panels;
  int64_t panel_bytes;
  int64_t panel_scales;
  // What the memory will be asked for next: ahead_step bytes at every step of kStepK columns; in
  // every pass over them, each going on where the one before it ended, or for 256 bytes where that
  // one began.
  const uint8_t* ahead;
  int64_t ahead_step;  // 256, 128, 64 or 0
};

struct GemmW4A8Kernels {
  int64_t few_rows;    // that one strip holds and that gain nothing from chunks
  int64_t passes;      // of a tile of more rows over its panel
  int64_t row_panels;  // of a tile of one row
  void (*pack_strip)(const W4A8Strip& strip);
  void (*tile)(const W4A8Tile& tile);
  const GemmInt8Kernels* int8;  // that finish
};

extern const GemmW4A8Kernels gemm_w4a8_kernels_portable;
extern const GemmW4A8Kernels gemm_w4a8_kernels_avx2;
extern const GemmW4A8Kernels gemm_w4a8_kernels_avxvnni;
extern const GemmW4A8Kernels gemm_w4a8_kernels_evex_avx512vnni;  // avxvnni in its other encoding
extern const GemmW4A8Kernels gemm_w4a8_kernels_avx512vnni;

}  // namespace halfword
