// What offsets of the weights are multiplied with: sums of a's rows over the parts of k. As many
// lanes take one as it has chunks of 16 bytes, up to a warp.
#include "cuda/gemm_w4a8_launch.h"
#include "cuda/launch.cuh"
#include "cuda/ptx.cuh"

namespace halfword {
namespace {

constexpr int kChunk = 16;

__device__ __forceinline__ int chunk_sum(const int8_t* from, int64_t exist) {
  int sum = 0;
  if (exist >= kChunk) {
    const uint4 words = ptx::load_global_v4(from);
    for (const uint32_t word : {words.x, words.y, words.z, words.w}) {
      sum = __dp4a(static_cast<int>(word), 0x01010101, sum);
    }
    return sum;
  }
#pragma unroll 1
  for (int i = 0; i < exist; ++i) sum += from[i];
  return sum;
}

__global__ void __launch_bounds__(kThreads)
    gemm_w4a8_sums_kernel(const GemmASumsParams p, int lanes) {
  const int in_warp = kWarpSize / lanes;
  const int lane = threadIdx.x % lanes;
  const int64_t warps = gridDim.x * int64_t{kThreads / kWarpSize};
  const int64_t warp = blockIdx.x * int64_t{kThreads / kWarpSize} + threadIdx.x / kWarpSize;
  const int64_t count = p.parts.count();
  for (int64_t first = warp * in_warp; first < p.a.rows * count; first += warps * in_warp) {
    const int64_t i = first + threadIdx.x % kWarpSize / lanes;
    const int64_t row = i / count, part = i % count;
    int sum = 0;
    if (row < p.a.rows) {
      const int64_t of_group = part % p.parts.in_group() * GemmParts::kLongest;
      const int64_t length = min(p.parts.group - of_group, int64_t{GemmParts::kLongest});
      const int64_t begin = (part / p.parts.in_group() * p.parts.group + of_group) * 32;
      const int64_t end = min(begin + length * 32, p.k);
      for (int64_t at = begin + lane * kChunk; at < end; at += lanes * kChunk) {
        sum += chunk_sum(p.a.data + row * p.a.pitch + at, end - at);
      }
    }
    for (int mask = lanes / 2; mask > 0; mask /= 2) sum += __shfl_xor_sync(kAllLanes, sum, mask);
    if (row < p.a.rows && lane == 0) p.sums[part * p.pitch + row] = static_cast<float>(sum);
  }
}

}  // namespace

cudaError_t launch_gemm_w4a8_sums(const GemmASumsParams& p, cudaStream_t stream) {
  constexpr int64_t kMostBlocks = 1 << 16;
  int lanes = 2;  // of a k32
  while (lanes < kWarpSize && lanes < 2 * p.parts.group) lanes *= 2;
  const int64_t threads = p.a.rows * p.parts.count() * lanes;
  const int64_t blocks = divide_up(threads, kThreads);
  const auto grid = static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks);
  gemm_w4a8_sums_kernel<<<grid, kThreads, 0, stream>>>(p, lanes);
  return cudaGetLastError();
}

}  // namespace halfword
