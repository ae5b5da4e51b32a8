// The largest magnitude in each block of a matrix.
//
//   absmax[block] = max |x[i, j]| over the block, in FP32
//
// A block with a NaN gives NaN, one with an inf and no NaN gives inf. An empty matrix has no
// blocks, and nothing is written.
//
// Exact, so identical on every backend (NaN: of unspecified payload). Bytes moved: x read once.
#pragma once

#include <cstdint>

#include "core/blocks.h"
#include "core/cuda.h"
#include "core/dtype.h"
#include "core/parallel.h"

namespace halfword {

struct AbsmaxParams {
  const void* x;  // [rows, cols] of dtype; columns are consecutive
  int64_t row_stride;
  Dtype dtype;
  Blocks blocks;
  float* absmax;  // [blocks]
};

void absmax_cpu(const AbsmaxParams& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
CudaStatus absmax_cuda(const AbsmaxParams& params, CudaStream stream);

}  // namespace halfword
