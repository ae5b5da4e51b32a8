#include "ops/gemm_int8.h"

#include "binding/arguments.h"

namespace halfword::binding {
namespace {

const Arguments kCheck("gemm_int8");

std::optional<GemmOut> as_gemm_out(int32_t dtype) {
  if (dtype == aoti_torch_dtype_float32()) return GemmOut::kFloat32;
  if (dtype == aoti_torch_dtype_bfloat16()) return GemmOut::kBFloat16;
  if (dtype == aoti_torch_dtype_float16()) return GemmOut::kFloat16;
  if (dtype == aoti_torch_dtype_int32()) return GemmOut::kInt32;
  if (dtype == aoti_torch_dtype_int8()) return GemmOut::kInt8;
  return std::nullopt;
}

// One value, or one for each of `count` rows of a or b: its stride. One along k could not be taken
// out of the sum.
int64_t one_or_each(const Tensor& t, const char* name, int32_t dtype, int64_t count, const char* of,
                    int32_t device) {
  kCheck.on_device(t, name, device);
  kCheck.has_dtype(t, name, dtype);
  if (t.numel == 1) return 0;
  if (t.dim != 1 || t.sizes[0] != count) {
    kCheck.value_error(name, " must have one value, or one for each of the ", count, " rows of ",
                       of, "; got shape ", shape_text(t));
  }
  if (t.numel != 0 && t.strides[0] != 0) kCheck.contiguous(t, name);
  return t.strides[0] == 0 ? 0 : 1;
}

GemmScale scale(const std::optional<Tensor>& t, const char* name, int64_t count, const char* of,
                int32_t device) {
  if (!t) return {};
  const int64_t stride = one_or_each(*t, name, aoti_torch_dtype_float32(), count, of, device);
  return {static_cast<const float*>(t->data), stride};
}

void check_b(const Tensor& b, const int64_t& layout, int32_t device, GemmInt8Params& p) {
  kCheck.on_device(b, "b", device);
  if (layout == static_cast<int64_t>(Int8Layout::kRows)) {
    kCheck.has_dtype(b, "b", aoti_torch_dtype_int8());
    p.b_stride = kCheck.rows_of_matrix(b, "b");
    if (b.sizes[1] != p.k) {
      kCheck.value_error("b must have as many columns as a (", p.k, "); got shape ", shape_text(b));
    }
    if (b.sizes[0] != p.n) {
      kCheck.value_error("b must have as many rows as out has columns (", p.n, "); got shape ",
                         shape_text(b));
    }
  } else if (layout == static_cast<int64_t>(kPackedLayout)) {
    kCheck.has_dtype(b, "b", aoti_torch_dtype_uint8());
    kCheck.has_shape(b, "b", {packed_bytes(kPackedLayout, p.n, p.k)});
    kCheck.contiguous(b, "b");
  } else {
    kCheck.value_error("b must be packed on the kind of device it is used on (layout ",
                       static_cast<int64_t>(kPackedLayout), "); got layout ", layout);
  }
  p.b = static_cast<const int8_t*>(b.data);
  p.b_layout = static_cast<Int8Layout>(layout);
}

// int32 results are the sums themselves.
void check_int32(const GemmInt8Params& p) {
  const auto none = [](bool given, const char* name) {
    if (given) kCheck.value_error(name, " must be None where out is int32; got a value");
  };
  const int64_t longest =
      p.zero_point_a == nullptr ? GemmInt8Params::kInt32K : GemmInt8Params::kExactK;
  if (p.k > longest) {
    kCheck.value_error("a must have at most ", longest, " columns where out is int32; got ", p.k);
  }
  none(p.scale_a.data != nullptr, "scale_a");
  none(p.scale_b.data != nullptr, "scale_b");
  none(p.bias != nullptr, "bias");
  none(p.residual != nullptr, "residual");
  none(p.activation != Activation::kNone, "activation");
}

void check_out(const Tensor& out, double beta, const std::optional<Tensor>& scale_out,
               const std::optional<Tensor>& zero_point_out, int32_t device, GemmInt8Params& p) {
  if (!std::isfinite(beta)) kCheck.value_error("beta must be finite; got ", beta);
  kCheck.on_device(out, "out", device);
  const std::optional<GemmOut> type = as_gemm_out(out.dtype);
  if (!type) {
    kCheck.type_error("out must be float32, bfloat16, float16, int32 or int8; got ",
                      dtype_name(out.dtype));
  }
  p.out_type = *type;
  if (*type == GemmOut::kInt32) check_int32(p);
  if (p.beta != 0.0f && *type != GemmOut::kFloat32) {
    kCheck.type_error("out must be float32 where beta is not 0; got ", dtype_name(out.dtype));
  }
  if (*type == GemmOut::kInt8) {
    if (!scale_out) kCheck.value_error("scale_out must be given where out is int8; got None");
    kCheck.one_element(*scale_out, "scale_out", aoti_torch_dtype_float32(), device);
    p.scale_out = static_cast<const float*>(scale_out->data);
    if (zero_point_out) {
      kCheck.one_element(*zero_point_out, "zero_point_out", aoti_torch_dtype_int32(), device);
      p.zero_point_out = static_cast<const int32_t*>(zero_point_out->data);
    }
  } else if (scale_out || zero_point_out) {
    kCheck.type_error("out must be int8 where scale_out or zero_point_out is given; got ",
                      dtype_name(out.dtype));
  }
  kCheck.has_shape(out, "out", {p.m, p.n});
  if (p.out_stride < p.n && p.m > 1) {
    kCheck.value_error("out must not overlap itself in memory, because it is written; got row ",
                       "stride ", p.out_stride, " for ", p.n, " columns");
  }
  p.out = out.data;
}

void gemm_int8(const Tensor& a, const Tensor& b, const int64_t& b_layout,
               const std::optional<Tensor>& b_sums, const std::optional<Tensor>& scale_a,
               const std::optional<Tensor>& scale_b, const std::optional<Tensor>& zero_point_a,
               const std::optional<Tensor>& bias, const std::optional<Tensor>& residual,
               const int64_t& activation, const double& beta,
               const std::optional<Tensor>& scale_out, const std::optional<Tensor>& zero_point_out,
               const Tensor& out) {
  const int32_t device = a.device_index;
  GemmInt8Params p{};
  kCheck.on_device(a, "a", device);
  kCheck.has_dtype(a, "a", aoti_torch_dtype_int8());
  p.a_stride = kCheck.rows_of_matrix(a, "a");
  p.a = static_cast<const int8_t*>(a.data);
  p.m = a.sizes[0];
  p.k = a.sizes[1];
  p.out_stride = kCheck.rows_of_matrix(out, "out");
  p.n = out.sizes[1];
  check_b(b, b_layout, device, p);
  if (b_sums) {
    kCheck.dense(*b_sums, "b_sums", aoti_torch_dtype_int32(), {p.n}, device);
    p.b_sums = static_cast<const int32_t*>(b_sums->data);
  }
  p.scale_a = scale(scale_a, "scale_a", p.m, "a", device);
  p.scale_b = scale(scale_b, "scale_b", p.n, "b", device);
  if (zero_point_a) {
    p.zero_point_stride =
        one_or_each(*zero_point_a, "zero_point_a", aoti_torch_dtype_int32(), p.m, "a", device);
    p.zero_point_a = static_cast<const int32_t*>(zero_point_a->data);
  }
  if (bias) {
    kCheck.on_device(*bias, "bias", device);
    p.bias_dtype = kCheck.floating(*bias, "bias");
    kCheck.has_shape(*bias, "bias", {p.n});
    kCheck.contiguous(*bias, "bias");
    p.bias = bias->data;
  }
  if (residual) {
    kCheck.on_device(*residual, "residual", device);
    p.residual_dtype = kCheck.floating(*residual, "residual");
    p.residual_stride = kCheck.rows_of_matrix(*residual, "residual");
    kCheck.has_shape(*residual, "residual", {p.m, p.n});
    p.residual = residual->data;
  }
  if (activation < 0 || activation > static_cast<int64_t>(Activation::kSilu)) {
    kCheck.value_error("activation must be a code of core/activation_math.h; got ", activation);
  }
  p.activation = static_cast<Activation>(activation);
  p.beta = static_cast<float>(beta);
  check_out(out, beta, scale_out, zero_point_out, device, p);
  for (const auto& [read, name] : {std::pair{&a, "a"}, {&b, "b"}})
    kCheck.apart(out, "out", *read, name);
  const std::pair<const std::optional<Tensor>*, const char*> optional[] = {
      {&scale_a, "scale_a"},           {&scale_b, "scale_b"},
      {&zero_point_a, "zero_point_a"}, {&bias, "bias"},
      {&residual, "residual"},         {&b_sums, "b_sums"},
      {&scale_out, "scale_out"},       {&zero_point_out, "zero_point_out"}};
  for (const auto& [read, name] : optional) {
    if (*read) kCheck.apart(out, "out", **read, name);
  }
  run(p, device);
}

const bool registered = register_kernel<gemm_int8>("gemm_int8");

}  // namespace
}  // namespace halfword::binding
