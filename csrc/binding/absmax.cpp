#include "ops/absmax.h"

#include "binding/block_arguments.h"

namespace halfword::binding {
namespace {

const BlockArguments kCheck("absmax");

void absmax(const Tensor& x, const int64_t& block_rows, const int64_t& block_cols,
            const Tensor& out) {
  AbsmaxParams p{};
  p.dtype = kCheck.floating(x, "x");
  p.row_stride = kCheck.rows_of_matrix(x, "x");
  p.blocks = kCheck.blocks_of(x, block_rows, block_cols);
  kCheck.one_a_block(out, "out", aoti_torch_dtype_float32(), p.blocks, x.device_index);
  p.x = x.data;
  p.absmax = static_cast<float*>(out.data);
  run(p, x.device_index);
}

const bool registered = register_kernel<absmax>("absmax");

}  // namespace
}  // namespace halfword::binding
