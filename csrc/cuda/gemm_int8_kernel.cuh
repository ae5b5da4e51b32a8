// The GEMM of one tile shape: sums of a block, finished and stored, or left for the block that
// comes last to a tile that several share.
#pragma once

#include "cuda/gemm_int8_finish.cuh"
#include "cuda/gemm_int8_mainloop.cuh"
#include "cuda/gemm_tile.cuh"
#include "cuda/last_block.cuh"
#include "cuda/launch.cuh"
#include "cuda/ptx.cuh"

namespace halfword {

// The sums of a shared tile in memory, as its blocks left them: planes [height][n], from each block
// one for each of warps_k. There are none where a block has the whole tile.
template <int kTile>
class GemmPlanes {
 public:
  static constexpr GemmTile kShape = kGemmTiles[kTile];

  GemmPlanes() = default;
  // Of so many blocks, the first one's at a place.
  __device__ GemmPlanes(int32_t* sums, int height, int64_t place, int64_t blocks)
      : plane_(height * kShape.n), count_(static_cast<int>(blocks) * kShape.warps_k) {
    first_ = sums + place * kShape.warps_k * plane_;
  }

  __device__ bool exist() const { return count_ > 0; }

  // This warp's part of those of a block.
  __device__ __forceinline__ void store(int64_t block, const GemmWarp<kTile>& warp, int fragments,
                                        const GemmSums<kTile>& sums) const {
    const int column = warp.n * kShape.warp_n() + warp.lane % 4 * 2;
    int32_t* const plane = first_ + (block * kShape.warps_k + warp.k) * plane_ + column;
#pragma unroll
    for (int i = 0; i < GemmSums<kTile>::kRows; ++i) {
      if (i >= fragments) continue;
      int32_t* const row = plane + (sums.row_of(i, warp.m) + warp.lane / 4) * kShape.n;
#pragma unroll
      for (int j = 0; j < GemmSums<kTile>::kColumns; ++j) {
        ptx::store_global_v2(row + j * 8, pair(sums.v[i][j], 0));
        ptx::store_global_v2(row + j * 8 + 8 * kShape.n, pair(sums.v[i][j], 2));
      }
    }
  }

  // Four of a row, of all planes.
  __device__ __forceinline__ void add(int row, int column, int64_t (&acc)[4]) const {
    const int32_t* from = first_ + row * kShape.n + column;
#pragma unroll 1
    for (int i = 0; i < count_; ++i, from += plane_) {
      const uint4 part = ptx::load_global_v4(from);
      acc[0] += static_cast<int32_t>(part.x), acc[1] += static_cast<int32_t>(part.y);
      acc[2] += static_cast<int32_t>(part.z), acc[3] += static_cast<int32_t>(part.w);
    }
  }

 private:
  __device__ static uint2 pair(const int32_t (&sums)[4], int first) {
    return make_uint2(static_cast<uint32_t>(sums[first]), static_cast<uint32_t>(sums[first + 1]));
  }

  int32_t* first_;
  int plane_;
  int count_;
};

// The part that a block does now. It lies in shared memory, where it takes no registers from sums.
template <int kTile>
struct GemmTask {
  int64_t unit;  // the next one
  StreamKPart part;
  int64_t first_block;  // of those that share the tile
  int64_t blocks;       // that do
  int64_t first_m;
  int64_t first_n;
  int rows;
  bool is_last;
  GemmPlanes<kTile> planes;

  // Of rows, of a warp: the warps take them in turn.
  __device__ int fragments(int warp_m) const {
    constexpr int kWarps = kGemmTiles[kTile].warps_m;
    return (rows / kFragment + kWarps - 1 - warp_m) / kWarps;
  }

  __device__ void take_next(const GemmKernelParams& p) {
    part = p.work.part(blockIdx.x, unit);
    unit += part.end - part.begin;
    is_last = unit == p.work.first_unit(blockIdx.x + 1);
    const GemmPlace place = gemm_place(p.rows.tiles, p.n_tiles, part.tile);
    first_m = p.rows.first(place.m);
    first_n = place.n * kGemmTiles[kTile].n;
    rows = static_cast<int>(p.rows.first(place.m + 1) - first_m);

    const bool is_whole = part.end - part.begin == p.work.units;
    first_block = is_whole ? blockIdx.x : p.work.first_block(part.tile);
    blocks = is_whole ? 1 : p.work.last_block(part.tile) - first_block + 1;
    const int64_t first_place = p.work.place(part.tile, first_block);
    planes = GemmPlanes<kTile>(p.shared.sums, p.rows.height(), first_place, is_whole ? 0 : blocks);
  }
};

template <int kTile>
class GemmStore {
 public:
  static constexpr GemmTile kShape = kGemmTiles[kTile];
  static constexpr int kColumns = kShape.warp_n();
  static constexpr int kStagedBytes = kFragment * kColumns * 4;  // of a warp
  static_assert(kStagedBytes * kShape.warps() <= kShape.shared_bytes());

  // The task's tile, from the sums of this block or, where there are planes, from those.
  __device__ static void run(const GemmFinish& finish, const GemmWarp<kTile>& warp,
                             const GemmTask<kTile>& task, const GemmSums<kTile>& sums,
                             uint32_t shared) {
    constexpr int kLanes = kColumns / 8;  // that have a row
    const uint32_t all =
        shared + (warp.m * kShape.warps_n + warp.n) * kShape.warps_k * kStagedBytes;
    const int lane = warp.lane % kLanes;
    const GemmColumns<kColumns> columns(finish.gemm, task.first_n + warp.n * kColumns, lane);
#pragma unroll 1
    for (int i = 0; i < task.fragments(warp.m); ++i) {
      if (!task.planes.exist()) {
#pragma unroll
        for (int known = 0; known < GemmSums<kTile>::kRows; ++known) {
          if (known == i) stage(sums.v[known], warp.lane, all + warp.k * kStagedBytes);
        }
        sync();
      }
      const int first_row = GemmSums<kTile>::row_of(i, warp.m);
#pragma unroll 1
      for (int t = warp.k * kWarpSize + warp.lane; t < kFragment * kLanes;
           t += kShape.warps_k * kWarpSize) {
        const int row = t / kLanes;
        const int64_t m = task.first_m + first_row + row;
        if (m >= finish.gemm.m) break;
        uint32_t words[8];
#pragma unroll
        for (int q = 0; q < 2; ++q) {
          int64_t acc[4] = {};
          const int column = GemmColumns<kColumns>::place(finish.gemm.out_type, lane, q);
          if (task.planes.exist()) {
            task.planes.add(first_row + row, warp.n * kColumns + column, acc);
          } else {
            read(all + staged_at<kColumns>(row, column), acc);
          }
          integer_finish(finish, m, columns.first[q], columns.count[q], acc, words + 4 * q);
        }
        gemm_finish(finish, m, columns, words);
      }
      if (!task.planes.exist()) sync();
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

  // Four columns of a row, summed over the warps that divide the columns of a step.
  __device__ __forceinline__ static void read(uint32_t at, int64_t (&acc)[4]) {
    uint4 sum = ptx::load_shared_v4(at);
#pragma unroll
    for (int k = 1; k < kShape.warps_k; ++k) {
      const uint4 more = ptx::load_shared_v4(at + k * kStagedBytes);
      sum.x += more.x, sum.y += more.y, sum.z += more.z, sum.w += more.w;
    }
    acc[0] = static_cast<int32_t>(sum.x), acc[1] = static_cast<int32_t>(sum.y);
    acc[2] = static_cast<int32_t>(sum.z), acc[3] = static_cast<int32_t>(sum.w);
  }
};

template <int kTile>
__global__ void __launch_bounds__(kGemmTiles[kTile].threads(), 1)
    gemm_int8_kernel(const GemmKernelParams p) {
  extern __shared__ __align__(128) int8_t shared[];
  __shared__ GemmTask<kTile> task;
  constexpr GemmTile kShape = kGemmTiles[kTile];
  using Loop = GemmMainloop<kTile>;
  const GemmWarp<kTile> warp;
  if (threadIdx.x == 0) task.unit = p.work.first_unit(blockIdx.x);
  do {
    __syncthreads();  // all have done with the part before
    if (threadIdx.x == 0) task.take_next(p);
    __syncthreads();
    const int fragments = task.fragments(warp.m);
    const uint32_t at = ptx::shared_address(shared);
    GemmSums<kTile> sums{};
    {
      const StreamKPart& part = task.part;
      const int64_t begin = part.begin * kShape.k;
      const int64_t end = part.end == p.work.units ? p.finish.gemm.k : part.end * kShape.k;
      const typename Loop::CopyA a(p.a, task.first_m, task.rows, begin, end);
      const typename Loop::CopyB b(p.b, task.first_n, kShape.n, begin, end);
      const auto steps = static_cast<int>(part.end - part.begin);
      Loop loop(warp, at);
      if (fragments == GemmSums<kTile>::kRows) {
        loop.template run<true>(a, b, steps, fragments, sums);
      } else {
        loop.template run<false>(a, b, steps, fragments, sums);
      }
    }
    if (task.planes.exist()) {
      task.planes.store(blockIdx.x - task.first_block, warp, fragments, sums);
      const int64_t tile = task.part.tile;
      if (!is_last_block(p.shared.come + tile - p.work.whole, task.blocks)) continue;
    }
    GemmStore<kTile>::run(p.finish, warp, task, sums, at);
  } while (!task.is_last);
}

template <int kTile>
cudaError_t launch_gemm(const GemmKernelParams& p, cudaStream_t stream) {
  constexpr GemmTile kShape = kGemmTiles[kTile];
  const cudaError_t status = allow_shared_memory<gemm_int8_kernel<kTile>>(kShape.shared_bytes());
  if (status != cudaSuccess) return status;
  const auto grid = static_cast<unsigned>(p.work.blocks());
  gemm_int8_kernel<kTile><<<grid, kShape.threads(), kShape.shared_bytes(), stream>>>(p);
  return cudaGetLastError();
}

}  // namespace halfword
