// The gradient loop, written once for every instruction set and type.
// Include after one of the simd_*.h headers.
#pragma once

#include "cpu/elements.h"
#include "cpu/unscale_check_run.h"

namespace halfword {
namespace {

constexpr int64_t kTileLanes = UnscaleCheckParams::kLanes;
constexpr int64_t kEights = kTileLanes / 8;

// Scaling and rounding keep the order of magnitudes, so that some u is not finite exactly when the
// u of the largest magnitude is not; and the integer order puts inf and NaN above all numbers.
template <class Grad>
HALFWORD_INLINE bool any_not_finite(const UnscaleCheckRun& run) {
  const uint32_t largest = Grad::largest_magnitude(run.grad, run.count);
  alignas(64) typename Grad::Word word[kLanes] = {};
  for (auto& w : word) w = static_cast<typename Grad::Word>(largest);
  F32 u = Grad::load(word, 0) * F32(run.inv_scale);
  if (run.write) {
    Grad::store(word, 0, u);
    u = Grad::load(word, 0);
  }
  float lanes[kLanes];
  store_floats(lanes, u);
  return !(lanes[0] - lanes[0] == 0.0f);
}

template <class Grad>
HALFWORD_INLINE F32 unscaled(const UnscaleCheckRun& run, int64_t i) {
  const F32 u = Grad::load(run.grad, i) * F32(run.inv_scale);
  if (!run.write) return u;
  Grad::store(run.grad, i, u);
  return Grad::load(run.grad, i);
}

// Adds sums[0 ... eights) in halves; what lies past them counts as 0.
HALFWORD_INLINE float add_halves(float* sums, int64_t eights) {
  for (int64_t half = kEights / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i + half < eights; ++i) sums[i] += sums[i + half];
    if (eights > half) eights = half;
  }
  return sums[0];
}

// Lane l of the tile sums elements l, l + kTileLanes, ...
template <class Grad>
HALFWORD_INLINE float sum_of_squares(const UnscaleCheckRun& run) {
  alignas(64) float lanes[kTileLanes];
  alignas(64) float sums[kEights];
  const int64_t active = run.count < kTileLanes ? run.count : kTileLanes;
  for (int64_t lane = 0; lane < active; lane += kLanes) {
    F32 sum(0.0f);
    for (int64_t i = lane; i < run.count; i += kTileLanes) {
      const F32 u = unscaled<Grad>(run, i);
      sum = fma(u, u, sum);
    }
    store_floats(lanes + lane, sum);
  }
  // add_eights takes 16 eights at once.
  const int64_t padded = (active + 127) / 128 * 128;
  for (int64_t lane = active; lane < padded; ++lane) lanes[lane] = 0.0f;
  add_eights(lanes, sums, padded / 8);
  return add_halves(sums, padded / 8);
}

template <class Grad>
UnscaleCheckResult unscale_check_loop(const UnscaleCheckRun& run) {
  UnscaleCheckResult result{any_not_finite<Grad>(run), 0.0f};
  if (run.norm) {
    result.sum_of_squares = sum_of_squares<Grad>(run);
  } else if (run.write) {
    for (int64_t i = 0; i < run.count; i += kLanes) unscaled<Grad>(run, i);
  }
  return result;
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
