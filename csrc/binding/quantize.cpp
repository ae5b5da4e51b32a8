#include "ops/quantize.h"

#include "binding/block_arguments.h"

namespace halfword::binding {
namespace {

const BlockArguments kCheck("quantize");

void quantize(const Tensor& x, const int64_t& block_rows, const int64_t& block_cols,
              const int64_t& mapping, const int64_t& bits, const std::optional<Tensor>& seed,
              const std::optional<Tensor>& scale, const std::optional<Tensor>& zero_point,
              const std::optional<Tensor>& new_scale, const std::optional<Tensor>& new_zero_point,
              const Tensor& codes, const std::optional<Tensor>& row_sums) {
  const int32_t device = x.device_index;
  QuantizeParams p = kCheck.quantizer(x, block_rows, block_cols, mapping, bits, seed);
  kCheck.scales(&p, scale, zero_point, new_scale, new_zero_point, device);
  kCheck.dense(codes, "codes", aoti_torch_dtype_int8(), {p.blocks.rows, p.blocks.cols}, device);
  kCheck.apart(codes, "codes", x, "x");
  if (row_sums) {
    kCheck.dense(*row_sums, "row_sums", aoti_torch_dtype_int32(), {p.blocks.rows}, device);
  }
  p.codes = static_cast<int8_t*>(codes.data);
  p.row_sums = data_of<int32_t>(row_sums);
  run(p, device);
}

const bool registered = register_kernel<quantize>("quantize");

}  // namespace
}  // namespace halfword::binding
