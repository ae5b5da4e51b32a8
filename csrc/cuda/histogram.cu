// Each block counts in shared memory and adds its counts to the caller's at the end; where the bins
// are too many for that, every element is added there at once.
#include "ops/histogram.h"

#include "core/histogram_math.h"
#include "cuda/alignment.h"
#include "cuda/elements.cuh"
#include "cuda/launch.cuh"

namespace halfword {
namespace {

constexpr int kPack = 8;  // 16-bit elements in 16 bytes
constexpr int64_t kTile = 4 * kThreads * kPack;
constexpr int kSharedBins = 4096;

struct KernelParams {
  HistogramParams op;
  int64_t shift;  // alignment_shift
  int64_t tiles;
};

using Count = unsigned long long;

__global__ void __launch_bounds__(kThreads) histogram_kernel(const KernelParams p) {
  const HistogramParams& op = p.op;
  __shared__ uint32_t shared[kSharedBins];
  const bool in_shared = op.bins <= kSharedBins;
  if (in_shared) {
    for (int64_t bin = threadIdx.x; bin < op.bins; bin += kThreads) shared[bin] = 0;
    __syncthreads();
  }
  auto* counts = reinterpret_cast<Count*>(op.counts);
  const auto count = [&](F32 x) {
    if (op.absolute) x = magnitude(x);
    const F32 bin = histogram_bin(x, op.low, op.width_inverse, op.high, op.bins);
    const auto at = static_cast<int64_t>(to_integer(bin).v);
    if (at == op.bins) return;
    if (in_shared) {
      atomicAdd(&shared[at], 1u);
    } else {
      atomicAdd(&counts[at], Count{1});
    }
  };
  const auto one = [&](int64_t at) { count(load_element(op.x, at, op.dtype)); };
  const auto whole = [&](int64_t at) {
    const auto each = [&](const Floats<kPack>& x) {
#pragma unroll
      for (int e = 0; e < kPack; ++e) count(x.v[e]);
    };
    switch (op.dtype) {
      case Dtype::kFloat32: return each(load_floats<Float32, kPack>(op.x, at));
      case Dtype::kBFloat16: return each(load_floats<BFloat16, kPack>(op.x, at));
      case Dtype::kFloat16: return each(load_floats<Float16, kPack>(op.x, at));
    }
  };
  for (int64_t k = blockIdx.x; k < p.tiles; k += gridDim.x) {
#pragma unroll 1
    for (int64_t i = threadIdx.x * kPack; i < kTile; i += kThreads * kPack) {
      for_elements<kPack>(k * kTile + i - p.shift, op.numel, whole, one);
    }
  }
  if (!in_shared) return;
  __syncthreads();
  for (int64_t bin = threadIdx.x; bin < op.bins; bin += kThreads) {
    if (shared[bin] != 0) atomicAdd(&counts[bin], Count{shared[bin]});
  }
}

}  // namespace

// A block's count of a bin fits 32 bits: it takes one of some hundred parts of the elements.
CudaStatus histogram_cuda(const HistogramParams& params, CudaStream stream) {
  const Stream streams[] = {{params.x, element_size(params.dtype)}};
  const int64_t shift = alignment_shift(streams, kPack);  // one stream of whole elements: aligned
  const KernelParams p{params, shift, tiles_of(params.numel, shift, kTile)};
  return launch_over_tiles<histogram_kernel>(p.tiles, stream, p);
}

}  // namespace halfword
