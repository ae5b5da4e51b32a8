// The product of one tile shape: sums of a block, put in order in shared memory, finished and
// stored.
#pragma once

#include "cuda/gemm_output.cuh"
#include "cuda/gemm_tile.cuh"
#include "cuda/gemm_w4a8_mainloop.cuh"
#include "cuda/launch.cuh"
#include "cuda/ptx.cuh"

namespace halfword {

// Sixteen rows of 32 columns at a time, of one warp or of those side by side that have them.
template <int kTile>
class GemmW4A8Store {
 public:
  static constexpr GemmW4A8Tile kShape = kGemmW4A8Tiles[kTile];
  using Loop = GemmW4A8Mainloop<kTile>;

  __device__ static void run(const GemmW4A8KernelParams& p, int64_t first_m, int64_t first_n,
                             const typename Loop::Sums& sums, uint32_t shared) {
    const GemmW4A8Warp<kTile> warp;
    const int patch = warp.n / kWarps;  // of the block's columns
    const uint32_t staged = shared + (warp.m * (kShape.n / kColumns) + patch) * kStagedBytes;
    const int thread = warp.n % kWarps * kWarpSize + warp.lane;
    const GemmColumns<kColumns> columns(p.output, first_n + patch * kColumns, thread % kLanes);
#pragma unroll 1
    for (int i = 0; i < Loop::kRows; ++i) {
#pragma unroll
      for (int known = 0; known < Loop::kRows; ++known) {
        if (known == i) stage(sums[known], warp, staged);
      }
      sync();
#pragma unroll 1
      for (int t = thread; t < kFragment * kLanes; t += kWarps * kWarpSize) {
        const int row = t / kLanes;
        const int64_t m = first_m + warp.row_of(i) + row;
        if (m >= p.output.m) break;
        F32 y[8];
        read(staged, p.output.out_type, row, thread % kLanes, y);
        gemm_finish(p.output, p.packs, m, columns, y);
      }
      sync();
    }
  }

 private:
  static constexpr int kColumns = 32;
  static constexpr int kLanes = kColumns / 8;  // that have a row
  static constexpr int kWarps = kColumns / kShape.warp_n();
  static constexpr int kStagedBytes = kFragment * kColumns * 4;
  static_assert(kShape.warps_m * kShape.n / kColumns * kStagedBytes <=
                kShape.stages * kShape.stage_bytes());

  __device__ static void sync() {
    if constexpr (kWarps == 1) {
      __syncwarp();
    } else {
      __syncthreads();
    }
  }

  __device__ __forceinline__ static void stage(const F32 (&sums)[Loop::kColumns][4],
                                               const GemmW4A8Warp<kTile>& warp, uint32_t staged) {
    const int first = warp.n % kWarps * kShape.warp_n() + warp.lane % 4 * 2;
#pragma unroll
    for (int j = 0; j < Loop::kColumns; ++j) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int at = staged_at<kColumns>(warp.lane / 4 + half * 8, first + j * 8);
        ptx::store_shared_v2(staged + at,
                             make_uint2(bits(sums[j][2 * half]).v, bits(sums[j][2 * half + 1]).v));
      }
    }
  }

  __device__ __forceinline__ static void read(uint32_t staged, GemmOut type, int row, int lane,
                                              F32 (&y)[8]) {
#pragma unroll
    for (int q = 0; q < 2; ++q) {
      const int column = GemmColumns<kColumns>::place(type, lane, q);
      const uint4 four = ptx::load_shared_v4(staged + staged_at<kColumns>(row, column));
      const uint32_t words[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
      for (int e = 0; e < 4; ++e) y[4 * q + e] = from_bits<F32>(words[e]);
    }
  }
};

template <int kTile>
__global__ void __launch_bounds__(kGemmW4A8Tiles[kTile].threads(), 1)
    gemm_w4a8_kernel(const __grid_constant__ GemmW4A8KernelParams p) {
  extern __shared__ __align__(128) int8_t shared[];
  constexpr GemmW4A8Tile kShape = kGemmW4A8Tiles[kTile];
  using Loop = GemmW4A8Mainloop<kTile>;
  const GemmPlace place = gemm_place(p.m_tiles, p.n_tiles, blockIdx.x);
  const int64_t first_m = place.m * kShape.m, first_n = place.n * kShape.n;
  const typename Loop::CopyA a(p.a, first_m, kShape.m, 0, p.k);
  const typename Loop::CopyB b(p.b, first_n, kShape.n, 0, int64_t{p.parts.k32s} * kChunk);
  typename Loop::Sums sums = {};
  Loop(p, first_m, first_n, shared).run(a, b, sums);
  GemmW4A8Store<kTile>::run(p, first_m, first_n, sums, ptx::shared_address(shared));
}

template <int kTile>
cudaError_t launch_gemm_w4a8(const GemmW4A8KernelParams& p, cudaStream_t stream) {
  constexpr GemmW4A8Tile kShape = kGemmW4A8Tiles[kTile];
  const cudaError_t status =
      allow_shared_memory<gemm_w4a8_kernel<kTile>>(kShape.shared_bytes(/*has_offset=*/true));
  if (status != cudaSuccess) return status;
  gemm_w4a8_kernel<kTile><<<static_cast<unsigned>(p.m_tiles * p.n_tiles), kShape.threads(),
                            kShape.shared_bytes(p.offset.data != nullptr), stream>>>(p);
  return cudaGetLastError();
}

}  // namespace halfword
