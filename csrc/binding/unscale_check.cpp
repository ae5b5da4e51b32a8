#include "ops/unscale_check.h"

#include "binding/arguments.h"

namespace halfword::binding {
namespace {

const Arguments kCheck("unscale_check");

void unscale_check(const TensorList& grads, const Tensor& inv_scale, const Tensor& found_inf,
                   const std::optional<Tensor>& norm, const bool& write) {
  std::vector<UnscaleCheckTensor> tensors;
  std::vector<std::unique_ptr<Layout>> layouts;
  tensors.reserve(grads.size());
  for (size_t i = 0; i < grads.size(); ++i) {
    const Tensor& grad = grads[i];
    kCheck.on_device(grad, "grads", i, grads[0]);
    const Dtype dtype = kCheck.floating(grad, "grads", i);
    if (write) kCheck.writable(grad, "grads", i);
    const Layout* layout = nullptr;
    if (!is_contiguous(grad)) {
      layouts.push_back(common_layout({&grad}));
      layout = layouts.back().get();
    }
    tensors.push_back({grad.data, grad.numel, dtype, layout});
  }
  const int32_t device = (grads.empty() ? found_inf : grads[0]).device_index;
  kCheck.one_element(inv_scale, "inv_scale", aoti_torch_dtype_float32(), device);
  kCheck.one_element(found_inf, "found_inf", aoti_torch_dtype_float32(), device);

  UnscaleCheckParams p{};
  p.tensors = tensors.data();
  p.count = static_cast<int64_t>(tensors.size());
  p.inv_scale = static_cast<const float*>(inv_scale.data);
  p.found_inf = static_cast<float*>(found_inf.data);
  p.norm = const_cast<float*>(kCheck.optional_float(norm, "norm", device));
  p.write = write;
  run(p, device);
}

const bool registered = register_kernel<unscale_check>("unscale_check");

}  // namespace
}  // namespace halfword::binding
