// The extremes of blocks of any shape, by as many threads as the device holds; and the scales that
// follow from them. For what does not fit the registers of a block of threads.
#pragma once

#include <cstdint>

#include "core/blocks.h"
#include "core/cuda.h"
#include "core/dtype.h"
#include "core/quantize_math.h"

namespace halfword {

// One word a block, as bits of |x|: of the elements below 0 and the others, or, where `below` is
// null, of all in `above`.
struct RangeWords {
  uint32_t* below;
  uint32_t* above;
};

// Two ways to cut x whose extremes are taken in one read; either may be absent, its `above` null.
struct BlockRangeParams {
  const void* x;  // [rows, cols] of dtype; columns are consecutive
  int64_t row_stride;
  Dtype dtype;
  Blocks flat;  // of one row
  RangeWords flat_words;
  Blocks tall;  // any; of the same rows and columns
  RangeWords tall_words;
};

// Raises words; they are 0 before.
CudaStatus block_range_cuda(const BlockRangeParams& params, CudaStream stream);

// Zero points: null but for affine. What there is no use for is null.
struct BlockScaleParams {
  RangeWords words;
  Blocks blocks;  // of x
  Mapping mapping;
  int bits;
  float* scale;  // in the order of the words
  int32_t* zero_point;
  float* scale_t;  // in that of x^T
  int32_t* zero_point_t;
};

CudaStatus block_scale_cuda(const BlockScaleParams& params, CudaStream stream);

}  // namespace halfword
