#include "ops/dequantize.h"

#include "binding/block_arguments.h"

namespace halfword::binding {
namespace {

const BlockArguments kCheck("dequantize");

void dequantize(const Tensor& codes, const Tensor& scale, const std::optional<Tensor>& zero_point,
                const int64_t& block_rows, const int64_t& block_cols, const int64_t& mapping,
                const int64_t& bits, const Tensor& out) {
  const int32_t device = codes.device_index;
  kCheck.has_dtype(codes, "codes", aoti_torch_dtype_int8());
  kCheck.rows_of_matrix(codes, "codes");
  kCheck.contiguous(codes, "codes");
  DequantizeParams p{};
  p.blocks = kCheck.blocks_of(codes, block_rows, block_cols);
  p.mapping = kCheck.mapping(mapping);
  p.bits = kCheck.code_bits(bits);
  kCheck.one_a_block(scale, "scale", aoti_torch_dtype_float32(), p.blocks, device);
  if (zero_point) {
    if (p.mapping != Mapping::kAffine) {
      kCheck.value_error("zero_point must be None with a mapping that has none; got a tensor");
    }
    kCheck.one_a_block(*zero_point, "zero_point", aoti_torch_dtype_int32(), p.blocks, device);
    p.zero_point = static_cast<const int32_t*>(zero_point->data);
  }
  kCheck.on_device(out, "out", device);
  p.dtype = kCheck.floating(out, "out");
  kCheck.has_shape(out, "out", {p.blocks.rows, p.blocks.cols});
  kCheck.contiguous(out, "out");
  kCheck.apart(out, "out", codes, "codes");
  p.codes = static_cast<const int8_t*>(codes.data);
  p.scale = static_cast<const float*>(scale.data);
  p.out = out.data;
  run(p, device);
}

const bool registered = register_kernel<dequantize>("dequantize");

}  // namespace
}  // namespace halfword::binding
