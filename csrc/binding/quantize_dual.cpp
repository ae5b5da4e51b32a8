#include "ops/quantize_dual.h"

#include "binding/block_arguments.h"

namespace halfword::binding {
namespace {

const BlockArguments kCheck("quantize_dual");

// One half of the result.
struct Half {
  const Tensor& scale;
  const std::optional<Tensor>& zero_point;
  const Tensor& codes;
  const char* names[3];
};

void check_half(const Half& half, const Tensor& x, const Blocks& blocks, bool affine) {
  const int32_t device = x.device_index;
  const auto& [scale, zero_point, codes] = half.names;
  kCheck.one_a_block(half.scale, scale, aoti_torch_dtype_float32(), blocks, device);
  if (half.zero_point.has_value() != affine) {
    kCheck.value_error(zero_point, affine ? " must be a tensor with" : " must be None without",
                       " an affine mapping; got ", affine ? "None" : "a tensor");
  }
  if (affine) {
    kCheck.one_a_block(*half.zero_point, zero_point, aoti_torch_dtype_int32(), blocks, device);
  }
  kCheck.dense(half.codes, codes, aoti_torch_dtype_int8(), {blocks.rows, blocks.cols}, device);
  kCheck.apart(half.codes, codes, x, "x");
}

void check_blocks(const QuantizeDualParams& p) {
  const Blocks& a = p.blocks;
  const Blocks& b = p.blocks_t;
  const bool of_rows = a.block_rows == 1 && b.block_rows == 1;
  const bool of_columns = a.block_cols == 1 && b.block_cols == 1;
  if (of_rows || of_columns || is_exact_copy(p)) return;
  kCheck.value_error("block_rows_t must be that of the block transposed, or both blocks of one row",
                     " or both of one column; got blocks (", a.block_rows, ", ", a.block_cols,
                     ") and (", b.block_rows, ", ", b.block_cols, ")");
}

void quantize_dual(const Tensor& x, const int64_t& block_rows, const int64_t& block_cols,
                   const int64_t& block_rows_t, const int64_t& block_cols_t, const int64_t& mapping,
                   const int64_t& bits, const std::optional<Tensor>& seed, const Tensor& scale,
                   const std::optional<Tensor>& zero_point, const Tensor& codes,
                   const Tensor& scale_t, const std::optional<Tensor>& zero_point_t,
                   const Tensor& codes_t) {
  QuantizeDualParams p{};
  p.dtype = kCheck.floating(x, "x");
  p.row_stride = kCheck.rows_of_matrix(x, "x");
  p.blocks = kCheck.blocks_of(x, block_rows, block_cols);
  p.blocks_t = kCheck.blocks_of(p.blocks.cols, p.blocks.rows, {"block_rows_t", block_rows_t},
                                {"block_cols_t", block_cols_t});
  check_blocks(p);
  p.mapping = kCheck.mapping(mapping);
  p.bits = kCheck.code_bits(bits);
  p.seed = kCheck.seed(seed, p.mapping, x.device_index);
  const bool affine = p.mapping == Mapping::kAffine;
  check_half({scale, zero_point, codes, {"scale", "zero_point", "codes"}}, x, p.blocks, affine);
  check_half({scale_t, zero_point_t, codes_t, {"scale_t", "zero_point_t", "codes_t"}}, x,
             p.blocks_t, affine);
  p.x = x.data;
  p.scale = static_cast<float*>(scale.data);
  p.zero_point = data_of<int32_t>(zero_point);
  p.codes = static_cast<int8_t*>(codes.data);
  p.scale_t = static_cast<float*>(scale_t.data);
  p.zero_point_t = data_of<int32_t>(zero_point_t);
  p.codes_t = static_cast<int8_t*>(codes_t.data);
  run(p, x.device_index);
}

const bool registered = register_kernel<quantize_dual>("quantize_dual");

}  // namespace
}  // namespace halfword::binding
