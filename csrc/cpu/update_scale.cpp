#include "ops/update_scale.h"

namespace halfword {

void update_scale_cpu(const UpdateScaleParams& params, ParallelFor) {
  ScaleState state{*params.scale, *params.growth_tracker,
                   params.hysteresis_tracker ? *params.hysteresis_tracker : 1,
                   params.skipped ? *params.skipped : 0};
  state = update_scale(state, *params.found_inf != 0.0f, params.policy);
  *params.scale = state.scale;
  *params.growth_tracker = state.growth_tracker;
  if (params.hysteresis_tracker) *params.hysteresis_tracker = state.hysteresis_tracker;
  if (params.skipped) *params.skipped = state.skipped;
}

}  // namespace halfword
