// The second kernel of a GEMM whose sums are split.
#include "cuda/gemm_int8_finish.cuh"
#include "cuda/launch.cuh"

namespace halfword {
namespace {

constexpr int kSegment = 8 * kWarpSize;  // columns of a warp

struct SplitSums {
  const int32_t* data;  // [splits][m][pitch]
  int64_t splits;
  int64_t pitch;  // a multiple of four
};

// A warp takes a segment of a row after the other.
__global__ void __launch_bounds__(kThreads, 2)
    gemm_int8_finish_kernel(const GemmFinish finish, const SplitSums sums) {
  const GemmInt8Params& p = finish.gemm;
  const int lane = threadIdx.x % kWarpSize;
  const int64_t segments = (p.n + kSegment - 1) / kSegment;
  constexpr int kWarps = kThreads / kWarpSize;
  for (int64_t i = blockIdx.x * int64_t{kWarps} + threadIdx.x / kWarpSize; i < p.m * segments;
       i += gridDim.x * int64_t{kWarps}) {
    const int64_t m = i / segments;
    const GemmInt8Columns<kSegment, int64_t> columns(finish, i % segments * kSegment, lane);
    int64_t acc[8] = {};
    for (int64_t s = 0; s < sums.splits; ++s) {
      const int32_t* row = sums.data + (s * p.m + m) * sums.pitch;
#pragma unroll
      for (int q = 0; q < 2; ++q) {
        if (columns.count[q] == 0) continue;
        const auto part = load_words<4, uint32_t>(row, columns.first[q]);
#pragma unroll
        for (int e = 0; e < 4; ++e) acc[4 * q + e] += static_cast<int32_t>(part.get(e));
      }
    }
    gemm_finish(finish, m, columns, acc);
  }
}

}  // namespace

cudaError_t launch_gemm_finish(const GemmFinish& finish, const int32_t* sums, int64_t splits,
                               int64_t pitch, cudaStream_t stream) {
  constexpr int64_t kWarps = kThreads / kWarpSize, kMostBlocks = 1 << 16;
  const int64_t segments = divide_up(finish.gemm.n, kSegment);
  const int64_t blocks = divide_up(finish.gemm.m * segments, kWarps);
  const auto grid = static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks);
  gemm_int8_finish_kernel<<<grid, kThreads, 0, stream>>>(finish, SplitSums{sums, splits, pitch});
  return cudaGetLastError();
}

}  // namespace halfword
