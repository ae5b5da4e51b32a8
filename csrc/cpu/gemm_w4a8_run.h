// What the W4A8 kernels of all instruction sets have in common with their launcher.
//
// a is packed at each call: strips of up to kStripRows rows, each [ceil(k /
// kBlockK)][rows][kBlockK] codes with zeros past k, so that a tile reads a strip from front to
// back.
//
// A part is columns whose products are one integer sum: those of a group, or kExactK of them. Sums
// begin at what is to be taken off, which takes the sum of a over the part.
//
// For many rows, a chunk of a panel is unpacked once: [ceil(k / kBlockK) * kBlockK / 4][kPanel][4]
// bytes code - zero_point + 16, from 0 to 31. Few rows are multiplied by the nibbles as they lie.
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
  int32_t* sums;  // [ceil(k / part)][rows]
};

// Columns of a panel to bytes. Those past k in the last block are of any value.
struct W4A8Unpack {
  const uint8_t* nibbles;
  const uint8_t* zero_point;  // [groups][kInt4Panel], or null
  int64_t k;
  int64_t group;
  uint8_t* bytes;
};

// For each part: acc = sum_k a * (code - zero_point), then sum = fma(float(acc), scale, sum), and
// the same with the sum of a and the offset.
struct W4A8Tile {
  const int8_t* a;  // a strip, or its blocks from some k on
  int64_t rows;
  const uint8_t* b;  // bytes, or nibbles
  int64_t k;
  int64_t part;               // columns
  const int32_t* sums;        // [parts][rows], of a
  const void* scale;          // [parts][kInt4Panel], as the offsets
  const void* offset;         // or null
  const uint8_t* zero_point;  // with nibbles; or null
  Dtype scale_dtype;
  // Of a part that is longer than this tile, acc is kept. Null: this tile opens and closes all.
  int32_t* acc;  // [rows][kInt4Panel]
  bool opens;
  bool closes;
  float* sum;  // [rows][kInt4Panel]
  // What the memory will be asked for next: kAheadBytes are prefetched at every block, and then
  // ahead_step bytes are gone.
  const uint8_t* ahead;
  int64_t ahead_step;
};
constexpr int64_t kAheadBytes = 512;

struct GemmW4A8Kernels {
  int64_t few_rows;  // up to which dots is faster
  void (*pack_strip)(const W4A8Strip& strip);
  void (*unpack)(const W4A8Unpack& unpack);
  void (*tile)(const W4A8Tile& tile);  // of bytes
  void (*dots)(const W4A8Tile& tile);  // of nibbles; null where few_rows is 0
  const GemmInt8Kernels* int8;         // that finish
};

extern const GemmW4A8Kernels gemm_w4a8_kernels_portable;
extern const GemmW4A8Kernels gemm_w4a8_kernels_avx2;
extern const GemmW4A8Kernels gemm_w4a8_kernels_avxvnni;
extern const GemmW4A8Kernels gemm_w4a8_kernels_evex_avx512vnni;  // avxvnni in its other encoding
extern const GemmW4A8Kernels gemm_w4a8_kernels_avx512vnni;

}  // namespace halfword
