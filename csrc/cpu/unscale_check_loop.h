// The gradient loop, written once for every instruction set and type.
// Include after one of the simd_*.h headers.
#pragma once

#include "cpu/elements.h"
#include "cpu/lane_sum.h"
#include "cpu/unscale_check_run.h"

namespace halfword {
namespace {

static_assert(UnscaleCheckParams::kLanes == LaneSum::kTreeLanes);

HALFWORD_INLINE bool all_finite(F32 x) {
  float lanes[kLanes];
  store_floats(lanes, x);
  for (const float lane : lanes) {
    if (!(lane - lane == 0.0f)) return false;
  }
  return true;
}

// Scaling keeps the order of magnitudes, so that some u is not finite exactly when the u of the
// largest magnitude is not; and the integer order puts inf and NaN above all numbers.
template <class Grad>
HALFWORD_INLINE bool check_only(const UnscaleCheckRun& run) {
  const uint32_t largest = Grad::largest_magnitude(run.grad, run.count);
  typename Grad::Word word[kLanes];
  for (auto& w : word) w = static_cast<typename Grad::Word>(largest);
  return !all_finite(Grad::load(word, 0) * F32(run.inv_scale));
}

template <class Grad>
HALFWORD_INLINE F32 unscaled(const UnscaleCheckRun& run, int64_t i) {
  const F32 u = Grad::load(run.grad, i) * F32(run.inv_scale);
  if (!run.write) return u;
  Grad::store(run.grad, i, u);
  return Grad::round(u);
}

template <class Grad>
HALFWORD_INLINE bool check_and_write(const UnscaleCheckRun& run) {
  F32 flag(0.0f);  // 0 * u is 0 for a number and NaN for the rest, which a sum keeps
  for (int64_t i = 0; i < run.count; i += kLanes) {
    flag = fma(unscaled<Grad>(run, i), F32(0.0f), flag);
  }
  return !all_finite(flag);
}

template <class Grad>
HALFWORD_INLINE float sum_of_squares(const UnscaleCheckRun& run) {
  LaneSum sum;
  for (int64_t i = 0; i < run.count; i += kLanes) {  // in the order of memory, for the prefetcher
    sum.add_square(i, unscaled<Grad>(run, i));
  }
  return sum.total(run.count);
}

// A sum of squares is a number only if all of them are. If it is not, it may still be a finite sum
// too large for FP32: the gradients, written or not, tell.
template <class Grad>
HALFWORD_INLINE UnscaleCheckResult check_and_norm(const UnscaleCheckRun& run) {
  const float sum = sum_of_squares<Grad>(run);
  if (sum - sum == 0.0f) return {false, sum};
  UnscaleCheckRun again = run;
  if (run.write) again.inv_scale = 1.0f;
  return {check_only<Grad>(again), sum};
}

template <class Grad>
UnscaleCheckResult unscale_check_loop(const UnscaleCheckRun& run) {
  if (run.norm) return check_and_norm<Grad>(run);
  return {run.write ? check_and_write<Grad>(run) : check_only<Grad>(run), 0.0f};
}

HALFWORD_INLINE UnscaleCheckLoop select_unscale_check_loop(Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat32: return unscale_check_loop<Float32>;
    case Dtype::kBFloat16: return unscale_check_loop<BFloat16>;
    case Dtype::kFloat16: return unscale_check_loop<Float16>;
  }
  return nullptr;
}

}  // namespace
}  // namespace halfword
