#include "ops/fake_quantize.h"

#include "binding/block_arguments.h"

namespace halfword::binding {
namespace {

const BlockArguments kCheck("fake_quantize");

void fake_quantize(const Tensor& x, const int64_t& block_rows, const int64_t& block_cols,
                   const int64_t& mapping, const int64_t& bits, const std::optional<Tensor>& seed,
                   const std::optional<Tensor>& scale, const std::optional<Tensor>& zero_point,
                   const std::optional<Tensor>& new_scale,
                   const std::optional<Tensor>& new_zero_point, const Tensor& out) {
  const int32_t device = x.device_index;
  QuantizeParams p = kCheck.quantizer(x, block_rows, block_cols, mapping, bits, seed);
  kCheck.scales(&p, scale, zero_point, new_scale, new_zero_point, device);
  kCheck.dense(out, "out", x.dtype, {p.blocks.rows, p.blocks.cols}, device);
  kCheck.apart(out, "out", x, "x");
  run(FakeQuantizeParams{p, out.data}, device);
}

const bool registered = register_kernel<fake_quantize>("fake_quantize");

}  // namespace
}  // namespace halfword::binding
