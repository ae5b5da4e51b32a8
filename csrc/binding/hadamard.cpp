#include "ops/hadamard.h"

#include "binding/arguments.h"

namespace halfword::binding {
namespace {

const Arguments kCheck("hadamard");

void hadamard(const Tensor& x, const int64_t& block, const Tensor& out) {
  kCheck.on_device(x, "x", x.device_index);
  const Dtype dtype = kCheck.floating(x, "x");
  kCheck.contiguous(x, "x");
  constexpr int64_t kMax = HadamardParams::kMaxBlock;
  if (block < 1 || block > kMax || (block & (block - 1)) != 0) {
    kCheck.value_error("block must be a power of two from 1 to ", kMax, "; got ", block);
  }
  const int64_t cols = x.dim == 0 ? 1 : x.sizes[x.dim - 1];
  if (cols % block != 0) {
    kCheck.value_error("block must divide the last dimension of x, ", cols, "; got ", block);
  }
  kCheck.dense(out, "out", x.dtype, std::vector<int64_t>(x.sizes, x.sizes + x.dim), x.device_index);
  if (out.data != x.data) kCheck.apart(out, "out", x, "x");
  run(HadamardParams{x.data, out.data, x.numel, block, dtype}, x.device_index);
}

const bool registered = register_kernel<hadamard>("hadamard");

}  // namespace
}  // namespace halfword::binding
