#include "ops/accumulate_grads.h"

#include "binding/arguments.h"

namespace halfword::binding {
namespace {

const Arguments kCheck("accumulate_grads");

void accumulate_grads(const TensorList& main_grads, const TensorList& grads, const double& alpha) {
  kCheck.same_length(grads, "grads", main_grads, "main_grads");
  if (!std::isfinite(alpha)) kCheck.value_error("alpha must be finite; got ", alpha);
  std::vector<AccumulateGradsTensors> tensors;
  std::vector<std::unique_ptr<Layout>> layouts;
  tensors.reserve(grads.size());
  for (size_t i = 0; i < grads.size(); ++i) {
    const Tensor& main = main_grads[i];
    const Tensor& grad = grads[i];
    kCheck.on_device(main, "main_grads", i, main_grads[0]);
    kCheck.has_dtype(main, "main_grads", i, aoti_torch_dtype_float32());
    kCheck.writable(main, "main_grads", i);
    kCheck.on_device(grad, "grads", i, main_grads[0]);
    const Dtype dtype = kCheck.floating(grad, "grads", i);
    kCheck.same_shape(grad, "grads", main, "main_grads", i);
    const Layout* layout = nullptr;
    if (!is_contiguous(main) || !is_contiguous(grad)) {
      layouts.push_back(common_layout({&main, &grad}));
      layout = layouts.back().get();
    }
    tensors.push_back({static_cast<float*>(main.data), grad.data, main.numel, dtype, layout});
  }
  if (main_grads.empty()) return;
  const AccumulateGradsParams p{tensors.data(), static_cast<int64_t>(tensors.size()),
                                static_cast<float>(alpha)};
  run(p, main_grads[0].device_index);
}

const bool registered = register_kernel<accumulate_grads>("accumulate_grads");

}  // namespace
}  // namespace halfword::binding
