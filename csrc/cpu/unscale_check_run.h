// What the gradient loops of all instruction sets have in common with their launcher.
#pragma once

#include <cstdint>

#include "ops/unscale_check.h"

namespace halfword {

// At most one tile of consecutive gradients; count is a multiple of 16.
struct UnscaleCheckRun {
  void* grad;
  int64_t count;
  float inv_scale;
  bool write;
  bool norm;
};

struct UnscaleCheckResult {
  bool found_inf;
  float sum_of_squares;  // of the tile, in the order of the contract
};

using UnscaleCheckLoop = UnscaleCheckResult (*)(const UnscaleCheckRun&);

UnscaleCheckLoop unscale_check_loop_portable(Dtype dtype);
UnscaleCheckLoop unscale_check_loop_avx2(Dtype dtype);
UnscaleCheckLoop unscale_check_loop_avx512(Dtype dtype);

}  // namespace halfword
