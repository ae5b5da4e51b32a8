#include "ops/adam_step.h"

#include "binding/adam_arguments.h"

namespace halfword::binding {
namespace {

void adam_step(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs,
               const TensorList& exp_avg_sqs, const TensorList& max_exp_avg_sqs,
               const TensorList& masters, const TensorList& masks, const TensorList& step,
               const std::optional<Tensor>& lr_tensor, const std::optional<Tensor>& inv_scale,
               const std::optional<Tensor>& found_inf, const std::optional<Tensor>& clip_coef,
               const double& lr, const double& beta1, const double& beta2, const double& eps,
               const double& weight_decay, const bool& decoupled, const bool& maximize,
               const bool& bias_correction, const bool& stochastic_params, const int64_t& seed,
               const std::vector<int64_t>& streams) {
  const AdamLists lists{params,  grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs,
                        masters, masks, step,     streams};
  const AdamArguments arguments(lists, stochastic_params);
  const bool amsgrad = !max_exp_avg_sqs.empty();
  AdamStepParams p = adam_step_params({lr_tensor, inv_scale, found_inf, clip_coef,
                                       AdamHyper{lr, beta1, beta2, eps, weight_decay, decoupled,
                                                 maximize, bias_correction, amsgrad},
                                       stochastic_params, seed},
                                      arguments.device());

  const std::vector<AdamTensors>& tensors = arguments.tensors();
  p.tensors = tensors.data();
  p.count = static_cast<int64_t>(tensors.size());
  if (!arguments.params_share_memory()) return run(p, arguments.device());
  for (const AdamTensors& t : tensors) {
    p.tensors = &t;
    p.count = 1;
    run(p, arguments.device());
  }
}

const bool registered = register_kernel<adam_step>("adam_step");

}  // namespace
}  // namespace halfword::binding
