#include "ops/gemm_int8.h"

#include "binding/gemm_arguments.h"

namespace halfword::binding {
namespace {

const GemmArguments kCheck("gemm_int8");

void check_a(const Tensor& a, int32_t device, GemmInt8Params& p) {
  const std::optional<Dtype> dtype = kCheck.int8_or_floating(a, "a", device);
  p.quantizes_a = dtype.has_value();
  p.a_dtype = dtype.value_or(Dtype::kFloat32);
  p.a_stride = kCheck.rows_of_matrix(a, "a");
  p.a = a.data;
  p.k = a.sizes[1];
}

// Where a is quantized here, its scales are found here.
void check_unknown(const std::optional<Tensor>& t, const char* name, const GemmInt8Params& p) {
  if (t && p.quantizes_a) {
    kCheck.value_error(name, " must be None where a is not int8; got a value");
  }
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
  if (p.quantizes_a) {
    kCheck.type_error("out must not be int32 where a is not int8, because it is scaled; got int32");
  }
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

void gemm_int8(const Tensor& a, const Tensor& b, const int64_t& b_layout,
               const std::optional<Tensor>& b_sums, const std::optional<Tensor>& scale_a,
               const std::optional<Tensor>& scale_b, const std::optional<Tensor>& zero_point_a,
               const std::optional<Tensor>& bias, const std::optional<Tensor>& residual,
               const int64_t& activation, const double& beta,
               const std::optional<Tensor>& scale_out, const std::optional<Tensor>& zero_point_out,
               const Tensor& out) {
  const int32_t device = a.device_index;
  GemmInt8Params p{};
  check_a(a, device, p);
  kCheck.open_output(out, a.sizes[0], p);
  check_b(b, b_layout, device, p);
  if (b_sums) {
    kCheck.dense(*b_sums, "b_sums", aoti_torch_dtype_int32(), {p.n}, device);
    p.b_sums = static_cast<const int32_t*>(b_sums->data);
  }
  check_unknown(scale_a, "scale_a", p);
  p.scale_a = kCheck.scale(scale_a, "scale_a", p.m, "a", device);
  p.scale_b = kCheck.scale(scale_b, "scale_b", p.n, "b", device);
  check_unknown(zero_point_a, "zero_point_a", p);
  if (zero_point_a) {
    p.zero_point_stride = kCheck.one_or_each(*zero_point_a, "zero_point_a",
                                             aoti_torch_dtype_int32(), p.m, "a", device);
    p.zero_point_a = static_cast<const int32_t*>(zero_point_a->data);
  }
  kCheck.addends(bias, residual, activation, device, p);
  kCheck.output(out, beta, scale_out, zero_point_out, device, p);
  if (p.out_type == GemmOut::kInt32) check_int32(p);
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
