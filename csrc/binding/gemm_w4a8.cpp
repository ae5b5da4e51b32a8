#include "ops/gemm_w4a8.h"

#include "binding/int4_arguments.h"

namespace halfword::binding {
namespace {

const Int4Arguments kCheck("gemm_w4a8");

void check_a(const Tensor& a, int32_t device, GemmW4A8Params& p) {
  const std::optional<Dtype> dtype = kCheck.int8_or_floating(a, "a", device);
  p.a_is_codes = !dtype;
  p.a_dtype = dtype.value_or(Dtype::kFloat32);
  p.a_stride = kCheck.rows_of_matrix(a, "a");
  p.a = a.data;
}

void gemm_w4a8(const Tensor& a, const Tensor& b, const int64_t& b_layout, const Tensor& b_scale,
               const std::optional<Tensor>& b_zero_point, const std::optional<Tensor>& b_offset,
               const int64_t& group_size, const std::optional<Tensor>& scale_a,
               const std::optional<Tensor>& bias, const std::optional<Tensor>& residual,
               const int64_t& activation, const double& beta,
               const std::optional<Tensor>& scale_out, const std::optional<Tensor>& zero_point_out,
               const Tensor& out) {
  const int32_t device = a.device_index;
  GemmW4A8Params p{};
  check_a(a, device, p);
  kCheck.open_output(out, a.sizes[0], p);
  p.b = kCheck.weight(b, b_layout, b_scale, b_zero_point, b_offset, group_size, p.n, a.sizes[1],
                      device);
  if (scale_a && !p.a_is_codes) {
    kCheck.value_error("scale_a must be None where a is not int8; got a value");
  }
  p.scale_a = kCheck.scale(scale_a, "scale_a", p.m, "a", device);
  kCheck.addends(bias, residual, activation, device, p);
  kCheck.output(out, beta, scale_out, zero_point_out, device, p);
  if (p.out_type == GemmOut::kInt32) {
    kCheck.type_error("out must be float32, bfloat16, float16 or int8; got int32");
  }
  for (const auto& [read, name] : {std::pair{&a, "a"}, {&b, "b"}, {&b_scale, "b_scale"}}) {
    kCheck.apart(out, "out", *read, name);
  }
  const std::pair<const std::optional<Tensor>*, const char*> optional[] = {
      {&b_zero_point, "b_zero_point"},
      {&b_offset, "b_offset"},
      {&scale_a, "scale_a"},
      {&bias, "bias"},
      {&residual, "residual"},
      {&scale_out, "scale_out"},
      {&zero_point_out, "zero_point_out"}};
  for (const auto& [read, name] : optional) {
    if (*read) kCheck.apart(out, "out", **read, name);
  }
  run(p, device);
}

const bool registered = register_kernel<gemm_w4a8>("gemm_w4a8");

}  // namespace
}  // namespace halfword::binding
