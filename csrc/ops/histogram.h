// How many elements lie in each of `bins` intervals of equal width in [low, high]: added to counts.
//
//   width_inverse = float(bins) / (high - low)
//   bin           = min(floor((x - low) * width_inverse), bins - 1)      all in FP32
//
// so that x == high is in the last bin. Elements outside [low, high] and NaN are not counted. Of
// |x| instead of x if `absolute`.
//
// Exact, and so the same on every backend. Bytes moved per element: x read once.
#pragma once

#include <cstdint>

#include "core/cuda.h"
#include "core/dtype.h"
#include "core/parallel.h"

namespace halfword {

struct HistogramParams {
  static constexpr int64_t kMaxBins = 1 << 24;  // every number of one is a float

  const void* x;  // dense, in any order
  int64_t numel;
  Dtype dtype;
  bool absolute;
  float low;  // low < high; width_inverse is finite
  float width_inverse;
  float high;
  int64_t* counts;  // [bins], added to
  int64_t bins;     // 1 ... kMaxBins
};

void histogram_cpu(const HistogramParams& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
CudaStatus histogram_cuda(const HistogramParams& params, CudaStream stream);

}  // namespace halfword
