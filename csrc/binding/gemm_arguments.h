// Checks of what all GEMMs take beside their operands. In the order of the schemas.
#pragma once

#include <cmath>
#include <optional>

#include "binding/arguments.h"
#include "core/gemm_output.h"

namespace halfword::binding {

inline std::optional<GemmOut> as_gemm_out(int32_t dtype) {
  if (dtype == aoti_torch_dtype_float32()) return GemmOut::kFloat32;
  if (dtype == aoti_torch_dtype_bfloat16()) return GemmOut::kBFloat16;
  if (dtype == aoti_torch_dtype_float16()) return GemmOut::kFloat16;
  if (dtype == aoti_torch_dtype_int32()) return GemmOut::kInt32;
  if (dtype == aoti_torch_dtype_int8()) return GemmOut::kInt8;
  return std::nullopt;
}

class GemmArguments : public Arguments {
 public:
  using Arguments::Arguments;

  // One value, or one for each of `count` rows of a or b: its stride. One along k could not be
  // taken out of the sum.
  int64_t one_or_each(const Tensor& t, const char* name, int32_t dtype, int64_t count,
                      const char* of, int32_t device) const {
    on_device(t, name, device);
    has_dtype(t, name, dtype);
    if (t.numel == 1) return 0;
    if (t.dim != 1 || t.sizes[0] != count) {
      value_error(name, " must have one value, or one for each of the ", count, " rows of ", of,
                  "; got shape ", shape_text(t));
    }
    if (t.numel != 0 && t.strides[0] != 0) contiguous(t, name);
    return t.strides[0] == 0 ? 0 : 1;
  }

  GemmScale scale(const std::optional<Tensor>& t, const char* name, int64_t count, const char* of,
                  int32_t device) const {
    if (!t) return {};
    const int64_t stride = one_or_each(*t, name, aoti_torch_dtype_float32(), count, of, device);
    return {static_cast<const float*>(t->data), stride};
  }

  // a: int8, or one of the floating dtypes, in which case it is quantized: that one.
  std::optional<Dtype> int8_or_floating(const Tensor& t, const char* name, int32_t device) const {
    on_device(t, name, device);
    const std::optional<Dtype> dtype = as_dtype(t.dtype);
    if (!dtype && t.dtype != aoti_torch_dtype_int8()) {
      type_error(name, " must be int8, float32, bfloat16 or float16; got ", dtype_name(t.dtype));
    }
    return dtype;
  }

  // The shape of out, against which the other arguments are checked.
  void open_output(const Tensor& out, int64_t m, GemmOutput& p) const {
    p.m = m;
    p.out_stride = rows_of_matrix(out, "out");
    p.n = out.sizes[1];
  }

  void addends(const std::optional<Tensor>& bias, const std::optional<Tensor>& residual,
               const int64_t& activation, int32_t device, GemmOutput& p) const {
    if (bias) {
      on_device(*bias, "bias", device);
      p.bias_dtype = floating(*bias, "bias");
      has_shape(*bias, "bias", {p.n});
      contiguous(*bias, "bias");
      p.bias = bias->data;
    }
    if (residual) {
      on_device(*residual, "residual", device);
      p.residual_dtype = floating(*residual, "residual");
      p.residual_stride = rows_of_matrix(*residual, "residual");
      has_shape(*residual, "residual", {p.m, p.n});
      p.residual = residual->data;
    }
    if (activation < 0 || activation > static_cast<int64_t>(Activation::kSilu)) {
      value_error("activation must be a code of core/activation_math.h; got ", activation);
    }
    p.activation = static_cast<Activation>(activation);
  }

  void output(const Tensor& out, double beta, const std::optional<Tensor>& scale_out,
              const std::optional<Tensor>& zero_point_out, int32_t device, GemmOutput& p) const {
    if (!std::isfinite(beta)) value_error("beta must be finite; got ", beta);
    p.beta = static_cast<float>(beta);
    on_device(out, "out", device);
    const std::optional<GemmOut> type = as_gemm_out(out.dtype);
    if (!type) {
      type_error("out must be float32, bfloat16, float16, int32 or int8; got ",
                 dtype_name(out.dtype));
    }
    p.out_type = *type;
    if (p.beta != 0.0f && *type != GemmOut::kFloat32) {
      type_error("out must be float32 where beta is not 0; got ", dtype_name(out.dtype));
    }
    if (*type == GemmOut::kInt8) {
      if (!scale_out) value_error("scale_out must be given where out is int8; got None");
      one_element(*scale_out, "scale_out", aoti_torch_dtype_float32(), device);
      p.scale_out = static_cast<const float*>(scale_out->data);
      if (zero_point_out) {
        one_element(*zero_point_out, "zero_point_out", aoti_torch_dtype_int32(), device);
        p.zero_point_out = static_cast<const int32_t*>(zero_point_out->data);
      }
    } else if (scale_out || zero_point_out) {
      type_error("out must be int8 where scale_out or zero_point_out is given; got ",
                 dtype_name(out.dtype));
    }
    has_shape(out, "out", {p.m, p.n});
    if (p.out_stride < p.n && p.m > 1) {
      value_error("out must not overlap itself in memory, because it is written; got row stride ",
                  p.out_stride, " for ", p.n, " columns");
    }
    p.out = out.data;
  }
};

}  // namespace halfword::binding
