// gemm_w4a16 with one tile shape: sums of a block, through shared memory, finished and stored.
#pragma once

#include "cuda/gemm_output.cuh"
#include "cuda/gemm_tile.cuh"
#include "cuda/gemm_w4a16_mainloop.cuh"
#include "cuda/last_block.cuh"
#include "cuda/ptx.cuh"

namespace halfword {

// Blocks that run at the same time share both operands (gemm_place). Those of shared tiles come
// last, while other multiprocessors end their whole ones.
template <int kTile>
__device__ GemmW4A16Part gemm_w4a16_part(const GemmW4A16KernelParams& p) {
  constexpr GemmW4A16Tile kShape = kGemmW4A16Tiles[kTile];
  const int64_t block = blockIdx.x;
  const bool is_shared = block >= p.blocks.whole;
  StreamKPart part{block, 0, p.slices};
  if (is_shared) part = p.blocks.part(block, p.blocks.first_unit(block));
  const GemmPlace place = gemm_place(p.m_tiles, p.n_tiles, part.tile);
  const int64_t shared = part.tile - p.blocks.whole;
  return {.first_m = p.first_m + static_cast<int>(place.m * kShape.m),
          .first_n = static_cast<int>(place.n * kShape.n),
          .begin = static_cast<int>(part.begin * p.slice),
          .end = static_cast<int>(part.end == p.slices ? p.b.k : part.end * p.slice),
          .planes = is_shared ? p.planes + shared * p.slices * kShape.m * kShape.n : nullptr,
          .come = is_shared ? p.come + shared : nullptr};
}

template <int kTile, class Pairs>
__global__ void __launch_bounds__(kGemmW4A16Tiles[kTile].threads(), 1)
    gemm_w4a16_kernel(const GemmW4A16KernelParams p) {
  extern __shared__ __align__(128) uint8_t shared[];
  constexpr GemmW4A16Tile kShape = kGemmW4A16Tiles[kTile];
  __shared__ GemmW4A16Part part;
  if (threadIdx.x == 0) part = gemm_w4a16_part<kTile>(p);
  __syncthreads();
  const GemmW4A16Warp<kTile> warp;
  auto* const block_sums = reinterpret_cast<float*>(shared + kShape.sums_at());
  constexpr int kPlane = kShape.sums_bytes() / sizeof(float);

  GemmW4A16Sums<kTile> sums{};
  GemmW4A16Mainloop<kTile, Pairs> loop(p, warp, part, ptx::shared_address(shared), block_sums);
  loop.run(sums);
  if (kShape.can_share() && part.planes != nullptr) {
    if (!is_last_block(part.come, p.parts)) return;
    sums.add_planes(part.planes, p.slices);
    sums.store(warp, block_sums);
  } else if (!kShape.can_share() || p.b.k == 0) {
    sums.store(warp, block_sums + warp.k * kPlane);
  }
  __syncthreads();

  constexpr int kLanes = kShape.n / 8;  // that have a row
  static_assert(kShape.threads() % kLanes == 0);
  const int lane = threadIdx.x % kLanes;
  const GemmColumns<kShape.n> columns(p.out, part.first_n, lane);
  const int planes = kShape.warps_k == 1 ? 1 : p.slices;
#pragma unroll 1
  for (int row = threadIdx.x / kLanes; row < kShape.m; row += kShape.threads() / kLanes) {
    if (part.first_m + row >= p.out.m) break;
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
    gemm_finish(p.out, p.packs, part.first_m + row, columns, y);
  }
}

template <int kTile, class Pairs>
cudaError_t launch_gemm_w4a16(const GemmW4A16KernelParams& p, cudaStream_t stream) {
  constexpr GemmW4A16Tile kShape = kGemmW4A16Tiles[kTile];
  const cudaError_t status =
      allow_shared_memory<gemm_w4a16_kernel<kTile, Pairs>>(kShape.shared_bytes());
  if (status != cudaSuccess) return status;
  const auto grid = static_cast<unsigned>(p.blocks.blocks());
  gemm_w4a16_kernel<kTile, Pairs><<<grid, kShape.threads(), kShape.shared_bytes(), stream>>>(p);
  return cudaGetLastError();
}

}  // namespace halfword
