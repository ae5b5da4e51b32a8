// The fast path of an optimizer: parameters, moments and masters are the same tensors at every
// step, so they are checked and laid out once, as a plan; a step then looks at parameters and
// gradients.
//
//   _adam_plan(...)       makes a plan and returns its number, or 0 where none can be made
//   _adam_plan_step(...)  does a step by it; false, and nothing done, if the plan no longer fits
//
// The caller keeps the tensors alive and makes a new plan when one is replaced.
#include "binding/adam_plan.h"

#include <map>
#include <mutex>

#include "binding/adam_arguments.h"

namespace halfword::binding {
namespace {

using Plan = std::vector<AdamTensors>;

// Plans by number, so that a stale number is an answer and not a crash.
class Plans {
 public:
  int64_t add(Plan plan) {
    const std::lock_guard<std::mutex> lock(mutex_);
    plans_.emplace(last_ += kPlanNumberStep, std::move(plan));
    return last_;
  }
  Plan* find(int64_t number) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto it = plans_.find(number);
    return it == plans_.end() ? nullptr : &it->second;
  }
  void remove(int64_t number) {
    const std::lock_guard<std::mutex> lock(mutex_);
    plans_.erase(number);
  }

 private:
  std::mutex mutex_;
  std::map<int64_t, Plan> plans_;
  int64_t last_ = 0;
};

Plans& plans() {
  static Plans all;
  return all;
}

int64_t adam_plan(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs,
                  const TensorList& exp_avg_sqs, const TensorList& max_exp_avg_sqs,
                  const TensorList& masters, const TensorList& masks, const TensorList& step,
                  const bool& stochastic_params, const std::vector<int64_t>& streams) {
  const AdamLists lists{params,  grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs,
                        masters, masks, step,     streams};
  const AdamArguments arguments(lists, stochastic_params);
  if (!arguments.all_contiguous() || arguments.params_share_memory()) return 0;
  return plans().add(arguments.tensors());
}

// Puts the gradient in its place in the plan; false if it or the parameter is not what it was.
bool refresh(AdamTensors& t, const Tensor& param, const Tensor& grad) {
  const std::optional<Dtype> grad_dtype = as_dtype(grad.dtype);
  bool fits = param.data == t.param && param.numel == t.numel && is_contiguous(param) &&
              as_dtype(param.dtype) == t.param_dtype && grad_dtype && is_contiguous(grad) &&
              grad.device_type == param.device_type && grad.device_index == param.device_index &&
              grad.dim == param.dim;
  for (int64_t d = 0; fits && d < grad.dim; ++d) fits = grad.sizes[d] == param.sizes[d];
  if (fits) {
    t.grad = grad.data;
    t.grad_dtype = *grad_dtype;
  }
  return fits;
}

bool adam_plan_step(const TensorList& params, const TensorList& grads, const int64_t& number,
                    const std::optional<Tensor>& lr_tensor, const std::optional<Tensor>& inv_scale,
                    const std::optional<Tensor>& found_inf, const std::optional<Tensor>& clip_coef,
                    const double& lr, const double& beta1, const double& beta2, const double& eps,
                    const double& weight_decay, const bool& decoupled, const bool& maximize,
                    const bool& bias_correction, const bool& stochastic_params,
                    const int64_t& seed) {
  Plan* plan = plans().find(number);
  if (plan == nullptr || plan->size() != params.size() || grads.size() != params.size()) {
    return false;
  }
  for (size_t i = 0; i < params.size(); ++i) {
    if (!refresh((*plan)[i], params[i], grads[i])) return false;
    if (kHostReadsTensors) check_step_value(*(*plan)[i].step, i);
  }
  const int32_t device = params.empty() ? -1 : params[0].device_index;
  const bool amsgrad = !plan->empty() && plan->front().max_exp_avg_sq != nullptr;
  AdamStepParams p = adam_step_params({lr_tensor, inv_scale, found_inf, clip_coef,
                                       AdamHyper{lr, beta1, beta2, eps, weight_decay, decoupled,
                                                 maximize, bias_correction, amsgrad},
                                       stochastic_params, seed},
                                      device);
  p.tensors = plan->data();
  p.count = static_cast<int64_t>(plan->size());
  run(p, device);
  return true;
}

const bool registered =
    register_kernel<adam_plan>("_adam_plan") && register_kernel<adam_plan_step>("_adam_plan_step");

}  // namespace

}  // namespace halfword::binding

void halfword_forget_adam_plan(int64_t number) { halfword::binding::plans().remove(number); }
