#include "ops/update_scale.h"

#include "binding/arguments.h"

namespace halfword::binding {
namespace {

const Arguments kCheck("update_scale");

void check_policy(const ScalePolicy& policy) {
  const auto check = [](bool valid, const char* name, const char* rule, auto value) {
    if (!valid) kCheck.value_error(name, " must be ", rule, "; got ", value);
  };
  check(policy.growth_factor >= 1.0 && std::isfinite(policy.growth_factor), "growth_factor",
        "finite and >= 1", policy.growth_factor);
  check(policy.backoff_factor > 0.0 && policy.backoff_factor <= 1.0, "backoff_factor", "in (0, 1]",
        policy.backoff_factor);
  check(policy.growth_interval > 0, "growth_interval", "> 0", policy.growth_interval);
  check(policy.hysteresis > 0 && policy.hysteresis <= INT32_MAX, "hysteresis", "in [1, 2^31)",
        policy.hysteresis);
  check(policy.min_scale > 0.0, "min_scale", "> 0", policy.min_scale);
  check(policy.max_scale >= policy.min_scale, "max_scale", ">= min_scale", policy.max_scale);
}

void update_scale(const Tensor& scale, const Tensor& growth_tracker, const Tensor& found_inf,
                  const std::optional<Tensor>& hysteresis_tracker,
                  const std::optional<Tensor>& skipped, const double& growth_factor,
                  const double& backoff_factor, const int64_t& growth_interval,
                  const int64_t& hysteresis, const double& min_scale, const double& max_scale) {
  const int32_t device = scale.device_index;
  kCheck.one_element(scale, "scale", aoti_torch_dtype_float32(), device);
  kCheck.one_element(growth_tracker, "growth_tracker", aoti_torch_dtype_int32(), device);
  kCheck.one_element(found_inf, "found_inf", aoti_torch_dtype_float32(), device);
  UpdateScaleParams p{};
  p.scale = static_cast<float*>(scale.data);
  p.growth_tracker = static_cast<int32_t*>(growth_tracker.data);
  p.found_inf = static_cast<const float*>(found_inf.data);
  if (hysteresis_tracker) {
    kCheck.one_element(*hysteresis_tracker, "hysteresis_tracker", aoti_torch_dtype_int32(), device);
    p.hysteresis_tracker = static_cast<int32_t*>(hysteresis_tracker->data);
  } else if (hysteresis != 1) {
    kCheck.value_error("hysteresis must be 1 without a hysteresis_tracker; got ", hysteresis);
  }
  if (skipped) {
    kCheck.one_element(*skipped, "skipped", aoti_torch_dtype_int64(), device);
    p.skipped = static_cast<int64_t*>(skipped->data);
  }
  p.policy = {growth_factor, backoff_factor, growth_interval, hysteresis, min_scale, max_scale};
  check_policy(p.policy);
  run(p, device);
}

const bool registered = register_kernel<update_scale>("update_scale");

}  // namespace
}  // namespace halfword::binding
