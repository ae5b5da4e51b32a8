// One thread: the launch is all that it costs.
#include "ops/update_scale.h"

#include <cuda_runtime.h>

namespace halfword {
namespace {

__global__ void update_scale_kernel(const UpdateScaleParams p) {
  ScaleState state{*p.scale, *p.growth_tracker, p.hysteresis_tracker ? *p.hysteresis_tracker : 1,
                   p.skipped ? *p.skipped : 0};
  state = update_scale(state, *p.found_inf != 0.0f, p.policy);
  *p.scale = state.scale;
  *p.growth_tracker = state.growth_tracker;
  if (p.hysteresis_tracker) *p.hysteresis_tracker = state.hysteresis_tracker;
  if (p.skipped) *p.skipped = state.skipped;
}

}  // namespace

CudaStatus update_scale_cuda(const UpdateScaleParams& params, CudaStream stream) {
  update_scale_kernel<<<1, 1, 0, stream>>>(params);
  return cudaGetLastError();
}

}  // namespace halfword
