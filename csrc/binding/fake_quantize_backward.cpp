#include "ops/fake_quantize_backward.h"

#include "binding/block_arguments.h"

namespace halfword::binding {
namespace {

const BlockArguments kCheck("fake_quantize_backward");

void check_zero_point(const std::optional<Tensor>& zero_point, const Blocks& blocks, bool affine,
                      int32_t device) {
  if (zero_point.has_value() != affine) {
    kCheck.value_error("zero_point must be ", affine ? "a tensor" : "None",
                       affine ? " with an affine mapping; got None"
                              : " with a mapping that has none; got a tensor");
  }
  if (zero_point) {
    kCheck.one_a_block(*zero_point, "zero_point", aoti_torch_dtype_int32(), blocks, device);
  }
}

// A gradient of what blocks have, if it is wanted.
float* block_gradient(const std::optional<Tensor>& t, const char* name, bool exists,
                      const Blocks& blocks, int32_t device) {
  if (!t) return nullptr;
  if (!exists) {
    kCheck.value_error(name,
                       " must be None with a mapping that has no such gradient; got a tensor");
  }
  kCheck.one_a_block(*t, name, aoti_torch_dtype_float32(), blocks, device);
  return static_cast<float*>(t->data);
}

void fake_quantize_backward(const Tensor& d_out, const Tensor& x, const int64_t& block_rows,
                            const int64_t& block_cols, const int64_t& mapping, const int64_t& bits,
                            const std::optional<Tensor>& seed, const Tensor& scale,
                            const std::optional<Tensor>& zero_point, const Tensor& d_x,
                            const std::optional<Tensor>& d_scale,
                            const std::optional<Tensor>& d_zero_point) {
  const int32_t device = d_out.device_index;
  FakeQuantizeBackwardParams p{};
  p.dtype = kCheck.floating(d_out, "d_out");
  if (d_out.dim != 2) kCheck.value_error("d_out must be a matrix; got shape ", shape_text(d_out));
  kCheck.contiguous(d_out, "d_out");
  const std::vector<int64_t> shape(d_out.sizes, d_out.sizes + d_out.dim);
  const auto check_like = [&](const Tensor& t, const char* name) {
    kCheck.dense(t, name, d_out.dtype, shape, device);
  };
  check_like(x, "x");
  p.blocks = kCheck.blocks_of(x, block_rows, block_cols);
  p.mapping = kCheck.mapping(mapping);
  p.bits = kCheck.code_bits(bits);
  p.seed = kCheck.seed(seed, p.mapping, device);
  kCheck.one_a_block(scale, "scale", aoti_torch_dtype_float32(), p.blocks, device);
  const bool affine = p.mapping == Mapping::kAffine;
  check_zero_point(zero_point, p.blocks, affine, device);
  check_like(d_x, "d_x");
  kCheck.apart(d_x, "d_x", d_out, "d_out");
  kCheck.apart(d_x, "d_x", x, "x");
  p.d_scale = block_gradient(d_scale, "d_scale", p.mapping != Mapping::kLog2, p.blocks, device);
  p.d_zero_point = block_gradient(d_zero_point, "d_zero_point", affine, p.blocks, device);
  p.d_out = d_out.data;
  p.x = x.data;
  p.scale = static_cast<const float*>(scale.data);
  p.zero_point = data_of<const int32_t>(zero_point);
  p.d_x = d_x.data;
  if (d_out.numel > 0) run(p, device);
}

const bool registered = register_kernel<fake_quantize_backward>("fake_quantize_backward");

}  // namespace
}  // namespace halfword::binding
