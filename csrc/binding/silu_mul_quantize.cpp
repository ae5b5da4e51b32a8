#include "ops/silu_mul_quantize.h"

#include "binding/row_arguments.h"

namespace halfword::binding {
namespace {

const RowArguments kCheck("silu_mul_quantize");

void silu_mul_quantize(const Tensor& gate, const Tensor& up, const std::optional<Tensor>& scale,
                       const std::optional<Tensor>& new_scale, const Tensor& codes,
                       const std::optional<Tensor>& row_sums) {
  SiluMulQuantizeParams p{};
  p.dtype = kCheck.floating(gate, "gate");
  p.gate_stride = kCheck.rows_of_matrix(gate, "gate");
  p.gate = gate.data;
  p.rows = gate.sizes[0];
  p.cols = gate.sizes[1];
  p.up_stride = kCheck.matrix_like(up, "up", gate);
  p.up = up.data;
  p.out = kCheck.row_codes(scale, new_scale, codes, row_sums, p.rows, p.cols, gate.device_index);
  kCheck.apart(codes, "codes", gate, "gate");
  kCheck.apart(codes, "codes", up, "up");
  run(p, gate.device_index);
}

const bool registered = register_kernel<silu_mul_quantize>("silu_mul_quantize");

}  // namespace
}  // namespace halfword::binding
