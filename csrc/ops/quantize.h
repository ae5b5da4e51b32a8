// A matrix of real numbers as codes of 2 to 8 bits, with one scale for each block.
//
//   scale, zero_point   of the block: computed from its elements, or given  (core/quantize_math.h)
//   inv      = 1 / scale
//   codes    = clamp(round(x * inv) + zero_point, lowest, highest)
//   row_sums = sum of a row's codes, modulo 2^32
//
// round: to nearest even; with a seed up with the probability of the part cut off, by the random
// bits of the element's number row * cols + col (linear mappings only). A computed scale that is
// given again gives the same codes.
//
// A block with a NaN or inf: scale NaN, codes 0. A block of zeros, or so small that 1 / scale is
// inf: scale 0, codes 0. With a given scale, inf saturates, NaN gets the code of zero, and so does
// everything where the scale is 0, NaN or inf.
//
// Identical bits on every backend. Bytes moved per element: x read once (twice from memory where a
// block has more rows than a cache holds), 1 byte written.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/blocks.h"
#include "core/cuda.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "core/quantize_math.h"

namespace halfword {

struct QuantizeParams {
  const void* x;  // [rows, cols] of dtype; columns are consecutive
  int64_t row_stride;
  Dtype dtype;
  Blocks blocks;
  Mapping mapping;
  int bits;
  const int64_t* seed;              // one element, or null: to nearest even
  const float* given_scale;         // [blocks], or null: computed
  const int32_t* given_zero_point;  // [blocks]; null but for affine with a given scale
  float* scale;                     // [blocks], written; null with a given scale
  int32_t* zero_point;              // [blocks], written; null but for affine with a computed scale
  int8_t* codes;                    // [rows, cols]
  int32_t* row_sums;                // [rows], or null
};

void quantize_cpu(const QuantizeParams& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
size_t quantize_scratch_bytes(const QuantizeParams& params);
CudaStatus quantize_cuda(const QuantizeParams& params, void* scratch, CudaStream stream);

}  // namespace halfword
