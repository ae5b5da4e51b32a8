#include "binding/adam_arguments.h"

#include <algorithm>
#include <cmath>

namespace halfword::binding {
namespace {

const Arguments kCheck("adam_step");

// A list of the op: empty where the op does without, else one tensor a parameter.
const Tensor* item(const TensorList& list, size_t i) { return list.empty() ? nullptr : &list[i]; }

void check_number(double value, const char* name, bool valid, const char* rule) {
  if (!valid) kCheck.value_error(name, " must be ", rule, "; got ", value);
}

void check_hyper(const AdamHyper& hyper) {
  check_number(hyper.lr, "lr", hyper.lr >= 0 && std::isfinite(hyper.lr), "finite and >= 0");
  check_number(hyper.beta1, "beta1", hyper.beta1 >= 0 && hyper.beta1 < 1, "in [0, 1)");
  check_number(hyper.beta2, "beta2", hyper.beta2 >= 0 && hyper.beta2 < 1, "in [0, 1)");
  check_number(hyper.eps, "eps", hyper.eps >= 0 && std::isfinite(hyper.eps), "finite and >= 0");
  check_number(hyper.weight_decay, "weight_decay",
               hyper.weight_decay >= 0 && std::isfinite(hyper.weight_decay), "finite and >= 0");
}

void check_lengths(const AdamLists& lists) {
  const auto same = [&](const TensorList& list, const char* name) {
    kCheck.same_length(list, name, lists.params, "params");
  };
  same(lists.grads, "grads");
  same(lists.exp_avgs, "exp_avgs");
  same(lists.exp_avg_sqs, "exp_avg_sqs");
  if (!lists.max_exp_avg_sqs.empty()) same(lists.max_exp_avg_sqs, "max_exp_avg_sqs");
  if (!lists.masters.empty()) same(lists.masters, "masters");
  if (!lists.masks.empty()) same(lists.masks, "masks");
  if (lists.step.size() != 1) same(lists.step, "step");
  if (!lists.streams.empty() && lists.streams.size() != lists.params.size()) {
    kCheck.value_error("streams must have as many numbers as params (", lists.params.size(),
                       "); got ", lists.streams.size());
  }
}

// A tensor of the parameter's shape that is written.
void check_state(const Tensor& t, const char* name, const Tensor& param, size_t i) {
  kCheck.on_device(t, name, i, param);
  kCheck.same_shape(t, name, param, "params", i);
  kCheck.writable(t, name, i);
}

Dtype check_moment(const TensorList& list, const char* name, const Tensor& param, size_t i) {
  check_state(list[i], name, param, i);
  const std::optional<Dtype> dtype = as_dtype(list[i].dtype);
  if (!dtype || *dtype == Dtype::kFloat16) {
    kCheck.type_error(item_name(name, i), " must be float32 or bfloat16; got ",
                      dtype_name(list[i].dtype));
  }
  return *dtype;
}

Master check_master(const TensorList& masters, const Tensor& param, Dtype dtype, size_t i) {
  const Tensor* master = item(masters, i);
  if (master == nullptr) return Master::kNone;
  if (dtype == Dtype::kFloat32) {
    if (master->numel != 0) {
      kCheck.value_error(item_name("masters", i), " must have no elements, because params[", i,
                         "] is float32 itself; got shape ", shape_text(*master));
    }
    return Master::kNone;
  }
  check_state(*master, "masters", param, i);
  if (master->dtype == aoti_torch_dtype_int16()) {
    if (dtype == Dtype::kBFloat16) return Master::kRemainder;
    kCheck.type_error(item_name("masters", i), " must be float32, because remainders complete ",
                      "bfloat16 only and params[", i, "] is float16; got int16");
  }
  if (master->dtype != aoti_torch_dtype_float32()) {
    kCheck.type_error(item_name("masters", i), " must be float32, or int16 remainders; got ",
                      dtype_name(master->dtype));
  }
  return Master::kFloat32;
}

void check_mask(const Tensor& mask, const Tensor& param, size_t i) {
  kCheck.on_device(mask, "masks", i, param);
  kCheck.has_dtype(mask, "masks", i, aoti_torch_dtype_bool());
  kCheck.same_shape(mask, "masks", param, "params", i);
}

float* check_step(const TensorList& step, const Tensor& param, size_t i) {
  const Tensor& t = step[step.size() == 1 ? 0 : i];
  kCheck.on_device(t, "step", i, param);
  kCheck.has_dtype(t, "step", i, aoti_torch_dtype_float32());
  if (t.numel != 1) {
    kCheck.value_error(item_name("step", i), " must have one element; got ", t.numel);
  }
  float* value = static_cast<float*>(t.data);
  if (kHostReadsTensors) check_step_value(*value, i);
  return value;
}

void check_same_moment(const TensorList& list, const char* name, const Tensor& param, size_t i,
                       Dtype dtype) {
  if (check_moment(list, name, param, i) != dtype) {
    kCheck.type_error(item_name(name, i), " must have the dtype of exp_avgs[", i, "]; got ",
                      dtype_name(list[i].dtype));
  }
}

// The tensors of AdamTensors::layout, but the element number; null where there is none.
std::array<const Tensor*, kAdamLayoutTensors - 1> laid_out(const AdamLists& lists,
                                                           const AdamTensors& t, size_t i) {
  return {&lists.params[i],
          &lists.grads[i],
          &lists.exp_avgs[i],
          &lists.exp_avg_sqs[i],
          item(lists.max_exp_avg_sqs, i),
          t.kind == Master::kNone ? nullptr : &lists.masters[i],
          item(lists.masks, i)};
}

// A learning rate in the host's memory is read now; one in the device's is read by the kernel.
void check_lr(const std::optional<Tensor>& lr, int32_t device, AdamStepParams& params) {
  if (!lr) return;
  const bool is_double = lr->dtype == aoti_torch_dtype_float64();
  const int32_t cpu = aoti_torch_device_type_cpu();
  const bool on_host = lr->device_type == cpu && (kHostReadsTensors || device_type() != cpu);
  const int32_t dtype = is_double ? aoti_torch_dtype_float64() : aoti_torch_dtype_float32();
  kCheck.one_element(*lr, "lr", dtype, on_host ? lr->device_index : device);
  const auto* lr_double = is_double ? static_cast<const double*>(lr->data) : nullptr;
  const auto* lr_float = is_double ? nullptr : static_cast<const float*>(lr->data);
  if (on_host) {
    const double value = is_double ? *lr_double : static_cast<double>(*lr_float);
    check_number(value, "lr", value >= 0 && std::isfinite(value), "finite and >= 0");
    params.hyper.lr = value;
  } else {
    params.hyper.lr = 0.0;
    params.lr_double = lr_double;
    params.lr_float = lr_float;
  }
}

}  // namespace

void check_step_value(float value, size_t i) {
  if (!(value >= 0.0f && value < 16777216.0f)) {  // float32 counts no further than 2^24
    kCheck.value_error(item_name("step", i), " must be in [0, 2^24); got ", value);
  }
}

AdamArguments::AdamArguments(const AdamLists& lists, bool stochastic_params)
    : lists_(lists), stochastic_params_(stochastic_params) {
  check_lengths(lists);
  tensors_.reserve(lists.params.size());
  for (size_t i = 0; i < lists.params.size(); ++i) add(i);
}

void AdamArguments::add(size_t i) {
  const Tensor& param = lists_.params[i];
  const Tensor& grad = lists_.grads[i];
  AdamTensors t{};
  kCheck.on_device(param, "params", i, lists_.params[0]);
  t.param_dtype = kCheck.floating(param, "params", i);
  kCheck.writable(param, "params", i);
  kCheck.on_device(grad, "grads", i, param);
  t.grad_dtype = kCheck.floating(grad, "grads", i);
  kCheck.same_shape(grad, "grads", param, "params", i);
  t.moment_dtype = check_moment(lists_.exp_avgs, "exp_avgs", param, i);
  check_same_moment(lists_.exp_avg_sqs, "exp_avg_sqs", param, i, t.moment_dtype);
  if (!lists_.max_exp_avg_sqs.empty()) {
    check_same_moment(lists_.max_exp_avg_sqs, "max_exp_avg_sqs", param, i, t.moment_dtype);
    t.max_exp_avg_sq = lists_.max_exp_avg_sqs[i].data;
  }
  t.kind = check_master(lists_.masters, param, t.param_dtype, i);
  if (const Tensor* mask = item(lists_.masks, i)) {
    check_mask(*mask, param, i);
    t.mask = static_cast<const uint8_t*>(mask->data);
  }
  if (stochastic_params_ && t.kind == Master::kNone && t.param_dtype == Dtype::kFloat16) {
    kCheck.type_error(item_name("params", i), " must not be float16 without a master when ",
                      "stochastic_params is set; got float16");
  }
  t.step = check_step(lists_.step, param, i);
  t.param = param.data;
  t.grad = grad.data;
  t.exp_avg = lists_.exp_avgs[i].data;
  t.exp_avg_sq = lists_.exp_avg_sqs[i].data;
  t.master = t.kind == Master::kNone ? nullptr : lists_.masters[i].data;
  t.numel = param.numel;
  t.stream =
      static_cast<uint32_t>(lists_.streams.empty() ? static_cast<int64_t>(i) : lists_.streams[i]);
  t.layout = layout_of(t, i);
  tensors_.push_back(t);
}

// Null for the common case, all row-major; otherwise the walk, which counts elements row-major.
const Layout* AdamArguments::layout_of(const AdamTensors& t, size_t i) {
  const auto tensors = laid_out(lists_, t, i);
  const auto contiguous = [](const Tensor* x) { return x == nullptr || is_contiguous(*x); };
  if (std::all_of(tensors.begin(), tensors.end(), contiguous)) return nullptr;

  const Tensor& param = lists_.params[i];
  const std::vector<int64_t> sizes(param.sizes, param.sizes + param.dim);
  std::vector<std::vector<int64_t>> strides;
  for (const Tensor* x : tensors) {
    const Tensor& source = x ? *x : param;
    strides.emplace_back(source.strides, source.strides + source.dim);
  }
  // Dense in one order, and no one asks for element numbers: as fast as row-major.
  const bool numbered = t.moment_dtype == Dtype::kBFloat16 || stochastic_params_;
  if (!numbered && coalesce(sizes, strides).is_flat()) return nullptr;

  std::vector<int64_t> row_major(param.dim);
  int64_t stride = 1;
  for (int64_t d = param.dim - 1; d >= 0; stride *= param.sizes[d--]) row_major[d] = stride;
  strides.push_back(std::move(row_major));
  layouts_.push_back(std::make_unique<Layout>(coalesce(sizes, std::move(strides))));
  return layouts_.back().get();
}

bool AdamArguments::params_share_memory() const {
  std::vector<std::pair<const char*, const char*>> ranges;  // first byte, one past the last
  ranges.reserve(tensors_.size());
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const Tensor& p = lists_.params[i];
    if (p.numel == 0) continue;
    int64_t last = 0;
    for (int64_t d = 0; d < p.dim; ++d) last += (p.sizes[d] - 1) * p.strides[d];
    const char* begin = static_cast<const char*>(p.data);
    const auto size = static_cast<int64_t>(element_size(tensors_[i].param_dtype));
    ranges.emplace_back(begin, begin + (last + 1) * size);
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second) return true;
  }
  return false;
}

AdamStepParams adam_step_params(const AdamScalars& scalars, int32_t device) {
  AdamStepParams p{};
  p.hyper = scalars.hyper;
  check_lr(scalars.lr_tensor, device, p);
  p.inv_scale = kCheck.optional_float(scalars.inv_scale, "inv_scale", device);
  p.found_inf = kCheck.optional_float(scalars.found_inf, "found_inf", device);
  p.clip = kCheck.optional_float(scalars.clip_coef, "clip_coef", device);
  check_hyper(p.hyper);
  p.stochastic_params = scalars.stochastic_params;
  p.seed = static_cast<uint64_t>(scalars.seed);
  return p;
}

}  // namespace halfword::binding
