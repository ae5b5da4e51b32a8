// The arguments of an Adam step, checked and put in the form of its contract.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "binding/arguments.h"
#include "ops/adam_step.h"

namespace halfword::binding {

// The lists of the op, by name; an empty one is what the step does without.
struct AdamLists {
  const TensorList& params;
  const TensorList& grads;
  const TensorList& exp_avgs;
  const TensorList& exp_avg_sqs;
  const TensorList& max_exp_avg_sqs;
  const TensorList& masters;
  const TensorList& masks;
  const TensorList& step;
  const std::vector<int64_t>& streams;
};

// What each parameter comes to. Throws what the first list that does not fit deserves.
class AdamArguments {
 public:
  AdamArguments(const AdamLists& lists, bool stochastic_params);

  const std::vector<AdamTensors>& tensors() const { return tensors_; }

  // Whether the memory of two parameters may overlap: then their updates must follow one another.
  bool params_share_memory() const;

  // The index of the device that all are on.
  int32_t device() const { return tensors_.empty() ? -1 : lists_.params[0].device_index; }

  // Whether every tensor is row-major.
  bool all_contiguous() const { return layouts_.empty(); }

 private:
  void add(size_t i);
  const Layout* layout_of(const AdamTensors& t, size_t i);

  const AdamLists& lists_;
  bool stochastic_params_;
  std::vector<AdamTensors> tensors_;
  std::vector<std::unique_ptr<Layout>> layouts_;
};

// The numbers of a step; a tensor of one element stands for a number on the device.
struct AdamScalars {
  const std::optional<Tensor>& lr_tensor;  // in place of hyper.lr
  const std::optional<Tensor>& inv_scale;
  const std::optional<Tensor>& found_inf;
  const std::optional<Tensor>& clip_coef;
  AdamHyper hyper;
  bool stochastic_params;
  int64_t seed;
};

// The parameters of a step on that device, without its tensors.
AdamStepParams adam_step_params(const AdamScalars& scalars, int32_t device);

// Throws unless a step counter holds a number of steps that FP32 can count on from.
void check_step_value(float value, size_t i);

}  // namespace halfword::binding
