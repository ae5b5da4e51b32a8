// A matrix quantized twice in one op: as it is and transposed, for the two products of a backward.
//
//   codes,   scale,   zero_point    of x, cut into `blocks`
//   codes_t, scale_t, zero_point_t  of x^T, cut into `blocks_t`
//
// Scales, codes and special cases are those of ops/quantize.h for x and for x^T. Stochastic
// rounding takes the bits of the element's number in x, row * cols + col, for both: kRowCodeBits
// for codes and kTransposedCodeBits for codes_t. Where blocks_t are the blocks transposed the
// second half is an exact copy of the first, transposed, whichever the rounding.
//
// Identical bits on every backend. Bytes moved per element: x read once where blocks_t are the
// blocks transposed and one of them fits a cache, twice otherwise; 2 bytes written.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/blocks.h"
#include "core/cuda.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "core/quantize_math.h"

namespace halfword {

// Either blocks_t are the blocks transposed, or in both a block has one row, or in both one column.
// No block is larger than its matrix.
struct QuantizeDualParams {
  const void* x;  // [rows, cols] of dtype; columns are consecutive
  int64_t row_stride;
  Dtype dtype;
  Blocks blocks;    // of x
  Blocks blocks_t;  // of x^T, [cols, rows]
  Mapping mapping;
  int bits;
  const int64_t* seed;    // one element, or null: to nearest even
  float* scale;           // [blocks]
  int32_t* zero_point;    // [blocks]; null but for affine
  int8_t* codes;          // [rows, cols]
  float* scale_t;         // [blocks_t]
  int32_t* zero_point_t;  // [blocks_t]; null but for affine
  int8_t* codes_t;        // [cols, rows]
};

// True where one quantization serves both halves.
HALFWORD_INLINE bool is_exact_copy(const QuantizeDualParams& p) {
  return p.blocks.block_rows == p.blocks_t.block_cols &&
         p.blocks.block_cols == p.blocks_t.block_rows;
}

void quantize_dual_cpu(const QuantizeDualParams& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
size_t quantize_dual_scratch_bytes(const QuantizeDualParams& params);
CudaStatus quantize_dual_cuda(const QuantizeDualParams& params, void* scratch, CudaStream stream);

}  // namespace halfword
