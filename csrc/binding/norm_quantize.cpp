#include "ops/norm_quantize.h"

#include "binding/row_arguments.h"

namespace halfword::binding {
namespace {

const RowArguments kCheck("norm_quantize");

// One element a column.
Dtype check_vector(const Tensor& t, const char* name, const NormQuantizeParams& p, int32_t device) {
  kCheck.on_device(t, name, device);
  const Dtype dtype = kCheck.floating(t, name);
  kCheck.has_shape(t, name, {p.cols});
  kCheck.contiguous(t, name);
  return dtype;
}

void check_residual(const std::optional<Tensor>& residual, const Tensor& x, NormQuantizeParams& p) {
  if (!residual) return;
  p.residual_stride = kCheck.matrix_like(*residual, "residual", x);
  p.residual = residual->data;
}

void check_sum(const std::optional<Tensor>& sum, const Tensor& x,
               const std::optional<Tensor>& residual, NormQuantizeParams& p) {
  if (sum.has_value() != residual.has_value()) {
    kCheck.value_error("sum must be a tensor if and only if residual is; got ",
                       sum ? "a tensor" : "None");
  }
  if (!sum) return;
  kCheck.dense(*sum, "sum", x.dtype, {p.rows, p.cols}, x.device_index);
  kCheck.apart(*sum, "sum", x, "x");
  kCheck.apart(*sum, "sum", *residual, "residual");
  p.sum = sum->data;
}

void norm_quantize(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias,
                   const std::optional<Tensor>& residual, const double& eps, const int64_t& kind,
                   const std::optional<Tensor>& scale, const std::optional<Tensor>& new_scale,
                   const Tensor& codes, const std::optional<Tensor>& row_sums,
                   const std::optional<Tensor>& sum) {
  const int32_t device = x.device_index;
  NormQuantizeParams p{};
  p.dtype = kCheck.floating(x, "x");
  p.row_stride = kCheck.rows_of_matrix(x, "x");
  p.x = x.data;
  p.rows = x.sizes[0];
  p.cols = x.sizes[1];
  p.weight_dtype = check_vector(weight, "weight", p, device);
  p.weight = weight.data;
  if (bias) {
    p.bias_dtype = check_vector(*bias, "bias", p, device);
    p.bias = bias->data;
    if (kind == static_cast<int64_t>(NormKind::kRms)) {
      kCheck.value_error("bias must be None with an RMS norm, which has none; got a tensor");
    }
  }
  check_residual(residual, x, p);
  if (!(eps >= 0) || !std::isfinite(eps)) {
    kCheck.value_error("eps must be finite and >= 0; got ", eps);
  }
  p.eps = static_cast<float>(eps);
  if (kind != static_cast<int64_t>(NormKind::kRms) &&
      kind != static_cast<int64_t>(NormKind::kLayer)) {
    kCheck.value_error("kind must be 0 (rms) or 1 (layer); got ", kind);
  }
  p.kind = static_cast<NormKind>(kind);
  p.out = kCheck.row_codes(scale, new_scale, codes, row_sums, p.rows, p.cols, device);
  kCheck.apart(codes, "codes", x, "x");
  check_sum(sum, x, residual, p);
  run(p, device);
}

const bool registered = register_kernel<norm_quantize>("norm_quantize");

}  // namespace
}  // namespace halfword::binding
