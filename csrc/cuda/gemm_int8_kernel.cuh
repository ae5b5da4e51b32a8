// The GEMM of one tile shape: sums of a block, put in order in shared memory, finished and stored.
#pragma once

#include "cuda/gemm_int8_finish.cuh"
#include "cuda/gemm_int8_mainloop.cuh"
#include "cuda/gemm_tile.cuh"
#include "cuda/launch.cuh"
#include "cuda/ptx.cuh"

namespace halfword {

template <int kTile>
class GemmStore {
 public:
  static constexpr GemmTile kShape = kGemmTiles[kTile];
  static constexpr int kColumns = kShape.warp_n();
  static constexpr int kStagedBytes = kFragment * kColumns * 4;  // of a warp
  static_assert(kStagedBytes * kShape.warps() <= kShape.shared_bytes());

  __device__ static void run(const GemmFinish& finish, const GemmWarp<kTile>& warp, int64_t first_m,
                             int64_t first_n, int fragments, const GemmSums<kTile>& sums,
                             uint32_t shared) {
    constexpr int kLanes = kColumns / 8;  // that have a row
    const uint32_t all =
        shared + (warp.m * kShape.warps_n + warp.n) * kShape.warps_k * kStagedBytes;
    const GemmInt8Columns<kColumns, int32_t> columns(finish, first_n + warp.n * kColumns,
                                                     warp.lane % kLanes);
#pragma unroll 1
    for (int i = 0; i < fragments; ++i) {
#pragma unroll
      for (int known = 0; known < GemmSums<kTile>::kRows; ++known) {
        if (known == i) stage(sums.v[known], warp.lane, all + warp.k * kStagedBytes);
      }
      sync();
#pragma unroll 1
      for (int t = warp.k * kWarpSize + warp.lane; t < kFragment * kLanes;
           t += kShape.warps_k * kWarpSize) {
        const int row = t / kLanes;
        const int64_t m = first_m + GemmSums<kTile>::row_of(i, warp.m) + row;
        if (m >= finish.gemm.m) break;
        int32_t acc[8];
        read(all, finish.gemm.out_type, row, warp.lane % kLanes, acc);
        gemm_finish(finish, m, columns, acc);
      }
      sync();
    }
  }

 private:
  __device__ static void sync() {
    if constexpr (kShape.warps_k == 1) {
      __syncwarp();
    } else {
      __syncthreads();
    }
  }

  __device__ __forceinline__ static void stage(const int32_t (&sums)[kColumns / 8][4], int lane,
                                               uint32_t staged) {
#pragma unroll
    for (int j = 0; j < kColumns / 8; ++j) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int at = staged_at<kColumns>(lane / 4 + half * 8, j * 8 + lane % 4 * 2);
        ptx::store_shared_v2(staged + at, make_uint2(static_cast<uint32_t>(sums[j][2 * half]),
                                                     static_cast<uint32_t>(sums[j][2 * half + 1])));
      }
    }
  }

  // The lane's eight columns of a row, summed over the warps that divide the columns of a step.
  __device__ __forceinline__ static void read(uint32_t all, GemmOut type, int row, int lane,
                                              int32_t (&acc)[8]) {
#pragma unroll
    for (int q = 0; q < 2; ++q) {
      const uint32_t at =
          all + staged_at<kColumns>(row, GemmColumns<kColumns>::place(type, lane, q));
      uint4 sum = ptx::load_shared_v4(at);
#pragma unroll
      for (int k = 1; k < kShape.warps_k; ++k) {
        const uint4 more = ptx::load_shared_v4(at + k * kStagedBytes);
        sum.x += more.x, sum.y += more.y, sum.z += more.z, sum.w += more.w;
      }
      const uint32_t words[4] = {sum.x, sum.y, sum.z, sum.w};
#pragma unroll
      for (int e = 0; e < 4; ++e) acc[4 * q + e] = static_cast<int32_t>(words[e]);
    }
  }
};

template <int kTile>
__global__ void __launch_bounds__(kGemmTiles[kTile].threads(), 1)
    gemm_int8_kernel(const GemmKernelParams p) {
  extern __shared__ __align__(128) int8_t shared[];
  constexpr GemmTile kShape = kGemmTiles[kTile];
  using Loop = GemmMainloop<kTile>;
  const GemmWarp<kTile> warp;
  const GemmPlace place = gemm_place(p.m_tiles, p.n_tiles, blockIdx.x);
  const int64_t first_m = place.m * p.height, first_n = place.n * kShape.n;
  const int64_t rows_left = p.a.rows - first_m;
  const int rows = static_cast<int>(rows_left < p.height ? rows_left : p.height);
  const int fragments = (rows + kFragment * kShape.warps_m - 1) / (kFragment * kShape.warps_m);

  const int64_t first_step = p.steps * blockIdx.y / gridDim.y;
  const int64_t last_step = p.steps * (blockIdx.y + 1) / gridDim.y;
  const int64_t begin = first_step * kShape.k;
  const int64_t end = last_step == p.steps ? p.finish.gemm.k : last_step * kShape.k;
  const typename Loop::CopyA a(p.a, first_m, rows, begin, end);
  const typename Loop::CopyB b(p.b, first_n, kShape.n, begin, end);
  const auto steps = static_cast<int>(last_step - first_step);

  const uint32_t at = ptx::shared_address(shared);
  Loop loop(warp, at);
  GemmSums<kTile> sums{};
  if (fragments == GemmSums<kTile>::kRows) {
    loop.template run<true>(a, b, steps, fragments, sums);
  } else {
    loop.template run<false>(a, b, steps, fragments, sums);
  }
  GemmFinish finish = p.finish;
  if (gridDim.y > 1) {
    finish.gemm.out = static_cast<int32_t*>(finish.gemm.out) + blockIdx.y * p.split_stride;
  }
  GemmStore<kTile>::run(finish, warp, first_m, first_n, fragments, sums, at);
}

template <int kTile>
cudaError_t launch_gemm(const GemmKernelParams& p, int64_t splits, cudaStream_t stream) {
  const cudaError_t status =
      allow_shared_memory<gemm_int8_kernel<kTile>>(kGemmTiles[kTile].shared_bytes());
  if (status != cudaSuccess) return status;
  const dim3 grid(static_cast<unsigned>(p.m_tiles * p.n_tiles), static_cast<unsigned>(splits));
  gemm_int8_kernel<kTile>
      <<<grid, kGemmTiles[kTile].threads(), kGemmTiles[kTile].shared_bytes(), stream>>>(p);
  return cudaGetLastError();
}

}  // namespace halfword
