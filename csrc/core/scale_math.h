// The dynamic loss scale, written once.
#pragma once

#include <cstdint>

#include "core/host_device.h"

namespace halfword {

constexpr float kLargestFloat32 = 0x1.fffffep127f;

struct ScalePolicy {
  double growth_factor;
  double backoff_factor;
  int64_t growth_interval;
  int64_t hysteresis;  // overflows in a row that it takes to back off; 1: every overflow does
  double min_scale;
  double max_scale;
};

struct ScaleState {
  float scale;
  int32_t growth_tracker;      // clean steps in a row since the scale last changed
  int32_t hysteresis_tracker;  // overflows in a row until the scale backs off
  int64_t skipped;             // steps skipped so far
};

// The scale times a factor, clamped to [min_scale, max_scale] and rounded to float once. A product
// that no positive finite float holds leaves the scale as it is.
HALFWORD_INLINE float move_scale(float scale, double factor, const ScalePolicy& policy) {
  double moved = static_cast<double>(scale) * factor;
  if (moved < policy.min_scale) moved = policy.min_scale;
  if (moved > policy.max_scale) moved = policy.max_scale;
  const float rounded = static_cast<float>(moved);
  return rounded > 0.0f && rounded <= kLargestFloat32 ? rounded : scale;
}

HALFWORD_INLINE ScaleState update_scale(ScaleState s, bool found_inf, const ScalePolicy& policy) {
  if (found_inf) {
    s.skipped += 1;
    s.growth_tracker = 0;
    if (s.hysteresis_tracker > 0) s.hysteresis_tracker -= 1;
    if (s.hysteresis_tracker == 0) s.scale = move_scale(s.scale, policy.backoff_factor, policy);
    return s;
  }
  s.hysteresis_tracker = static_cast<int32_t>(policy.hysteresis);
  s.growth_tracker += 1;
  if (s.growth_tracker >= policy.growth_interval) {
    s.scale = move_scale(s.scale, policy.growth_factor, policy);
    s.growth_tracker = 0;
  }
  return s;
}

}  // namespace halfword
