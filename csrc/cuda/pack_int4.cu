// A thread makes a byte of two codes. Weights are packed once: the reads are left to the cache.
#include "ops/pack_int4.h"

#include "cuda/int4_tiles.cuh"

namespace halfword {
namespace {

struct KernelParams {
  PackInt4Params op;
  Int4Tiles tiles;
};

__global__ void __launch_bounds__(kThreads) pack_int4_kernel(const KernelParams p) {
  p.tiles.for_each([&](int64_t row, int64_t low, int64_t at) {
    const int8_t* codes = p.op.codes + row * p.op.row_stride;
    const int64_t high = low + p.tiles.chunks.high_step;
    p.op.packed[at] = int4_pair(low < p.op.k ? codes[low] : 0, high < p.op.k ? codes[high] : 0);
  });
}

}  // namespace

CudaStatus pack_int4_cuda(const PackInt4Params& params, CudaStream stream) {
  if (params.layout == Int4Layout::kPanels) return cudaErrorInvalidValue;  // the CPU's
  const KernelParams p{params, int4_tiles(params.layout, params.n, params.k)};
  return launch_over_tiles<pack_int4_kernel>(p.tiles.count, stream, p);
}

}  // namespace halfword
