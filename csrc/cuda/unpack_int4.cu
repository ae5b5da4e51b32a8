// A thread makes two codes of a byte. For weights that leave the device: writes are left to the
// cache.
#include "ops/unpack_int4.h"

#include "cuda/int4_tiles.cuh"

namespace halfword {
namespace {

struct KernelParams {
  UnpackInt4Params op;
  Int4Tiles tiles;
};

__global__ void __launch_bounds__(kThreads) unpack_int4_kernel(const KernelParams p) {
  p.tiles.for_each([&](int64_t row, int64_t low, int64_t at) {
    const uint8_t pair = p.op.packed[at];
    int8_t* codes = p.op.codes + row * p.op.k;
    const int64_t high = low + p.tiles.chunks.high_step;
    if (low < p.op.k) codes[low] = int4_low(pair);
    if (high < p.op.k) codes[high] = int4_high(pair);
  });
}

}  // namespace

CudaStatus unpack_int4_cuda(const UnpackInt4Params& params, CudaStream stream) {
  if (params.layout == Int4Layout::kPanels) return cudaErrorInvalidValue;  // the CPU's
  const KernelParams p{params, int4_tiles(params.layout, params.n, params.k)};
  return launch_over_tiles<unpack_int4_kernel>(p.tiles.count, stream, p);
}

}  // namespace halfword
