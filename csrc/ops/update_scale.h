// The dynamic loss scale after a step (core/scale_math.h):
//
//   found_inf != 0 (NaN counts):  growth_tracker = 0; after `hysteresis` overflows in a row,
//                                 scale *= backoff_factor at each; skipped += 1
//   otherwise:                    growth_tracker += 1; at growth_interval it returns to 0 and
//                                 scale *= growth_factor
//
// Products are taken in double, clamped to [min_scale, max_scale] and rounded once; the scale never
// becomes 0, inf or NaN.
#pragma once

#include <cstdint>

#include "core/cuda.h"
#include "core/parallel.h"
#include "core/scale_math.h"

namespace halfword {

struct UpdateScaleParams {
  float* scale;  // each of these has one element
  int32_t* growth_tracker;
  const float* found_inf;
  int32_t* hysteresis_tracker;  // or null, with hysteresis 1
  int64_t* skipped;             // or null
  ScalePolicy policy;
};

void update_scale_cpu(const UpdateScaleParams& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
CudaStatus update_scale_cuda(const UpdateScaleParams& params, CudaStream stream);

}  // namespace halfword
