// The words of the result are raised where they are: as integers, magnitudes are ordered.
#include "ops/absmax.h"

#include <cuda_runtime.h>

#include "cuda/block_range.h"

namespace halfword {

CudaStatus absmax_cuda(const AbsmaxParams& params, CudaStream stream) {
  const Blocks& b = params.blocks;
  if (b.count() == 0) return cudaSuccess;
  const size_t bytes = static_cast<size_t>(b.count()) * sizeof(float);
  const cudaError_t status = cudaMemsetAsync(params.absmax, 0, bytes, stream);
  if (status != cudaSuccess) return status;
  const RangeWords words{nullptr, reinterpret_cast<uint32_t*>(params.absmax)};
  BlockRangeParams range{params.x, params.row_stride, params.dtype, {}, {}, {}, {}};
  if (b.block_rows == 1) {
    range.flat = b;
    range.flat_words = words;
  } else {
    range.tall = b;
    range.tall_words = words;
  }
  return block_range_cuda(range, stream);
}

}  // namespace halfword
