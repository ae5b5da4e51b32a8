// gemm_w4a16 with one tile shape: sums of a block, through shared memory, finished and stored.
#pragma once

#include "cuda/gemm_output.cuh"
#include "cuda/gemm_tile.cuh"
#include "cuda/gemm_w4a16_mainloop.cuh"
#include "cuda/ptx.cuh"

namespace halfword {

// Which tiles a block has, in the order of gemm_place, so that blocks that run at the same time
// share both operands: rows of the grid are 2^shift rows of tiles, one column after the other. Made
// of shifts, it needs none of a lane's registers, of which the largest tile leaves none.
struct GemmW4A16Place {
  int m;
  int n;
  __device__ explicit GemmW4A16Place(int shift)
      : m(static_cast<int>(blockIdx.y << shift | (blockIdx.x & ((1u << shift) - 1)))),
        n(static_cast<int>(blockIdx.x >> shift)) {}
};

template <int kTile, class Pairs>
__global__ void __launch_bounds__(kGemmW4A16Tiles[kTile].threads(), 1)
    gemm_w4a16_kernel(const GemmW4A16KernelParams p) {
  extern __shared__ __align__(128) uint8_t shared[];
  constexpr GemmW4A16Tile kShape = kGemmW4A16Tiles[kTile];
  const GemmW4A16Warp<kTile> warp;
  const GemmW4A16Place place(p.shift);
  if (place.m >= p.m_tiles) return;
  const int first_m = p.first_m + place.m * kShape.m, first_n = place.n * kShape.n;
  auto* const block_sums = reinterpret_cast<float*>(shared + kShape.sums_at());
  constexpr int kPlane = kShape.sums_bytes() / sizeof(float);

  GemmW4A16Sums<kTile> sums{};
  GemmW4A16Mainloop<kTile, Pairs> loop(p, warp, first_m, first_n, ptx::shared_address(shared),
                                       block_sums);
  loop.run(sums);
  if (kShape.warps_k > 1 || p.b.k == 0) sums.store(warp, block_sums + warp.k * kPlane);
  __syncthreads();

  constexpr int kLanes = kShape.n / 8;  // that have a row
  static_assert(kShape.threads() % kLanes == 0);
  const int lane = threadIdx.x % kLanes;
  const GemmColumns<kShape.n> columns(p.out, first_n, lane);
  const int planes = kShape.warps_k == 1 ? 1 : p.slices;
#pragma unroll 1
  for (int row = threadIdx.x / kLanes; row < kShape.m; row += kShape.threads() / kLanes) {
    if (first_m + row >= p.out.m) break;
    F32 y[8];
#pragma unroll
    for (int q = 0; q < 2; ++q) {
      const int column = GemmColumns<kShape.n>::place(p.out.out_type, lane, q);
      const float* from = block_sums + sum_at<kShape.n>(row, column);
      float4 sum = *reinterpret_cast<const float4*>(from);
      for (int k = 1; k < planes; ++k) {
        const float4 more = *reinterpret_cast<const float4*>(from + k * kPlane);
        sum.x += more.x, sum.y += more.y, sum.z += more.z, sum.w += more.w;
      }
      y[4 * q] = F32(sum.x), y[4 * q + 1] = F32(sum.y);
      y[4 * q + 2] = F32(sum.z), y[4 * q + 3] = F32(sum.w);
    }
    gemm_finish(p.out, p.packs, first_m + row, columns, y);
  }
}

template <int kTile, class Pairs>
cudaError_t launch_gemm_w4a16(const GemmW4A16KernelParams& p, cudaStream_t stream) {
  constexpr GemmW4A16Tile kShape = kGemmW4A16Tiles[kTile];
  const cudaError_t status =
      allow_shared_memory<gemm_w4a16_kernel<kTile, Pairs>>(kShape.shared_bytes());
  if (status != cudaSuccess) return status;
  const dim3 grid(static_cast<unsigned>(p.n_tiles << p.shift),
                  static_cast<unsigned>(divide_up(p.m_tiles, int64_t{1} << p.shift)));
  gemm_w4a16_kernel<kTile, Pairs><<<grid, kShape.threads(), kShape.shared_bytes(), stream>>>(p);
  return cudaGetLastError();
}

}  // namespace halfword
