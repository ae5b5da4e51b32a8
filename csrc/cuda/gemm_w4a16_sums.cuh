// The parts that blocks and warps have of a product of gemm_w4a16, and where their sums lie: in
// registers, in the shared memory of a block, and in memory where several blocks share a tile.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/elements.cuh"
#include "cuda/gemm_w4a16_plan.h"

namespace halfword {

// What a block does: a tile, or slices of it that follow each other. It lies in shared memory,
// because the largest tiles leave no registers for it.
struct GemmW4A16Part {
  int first_m;
  int first_n;
  int begin;  // columns
  int end;
  float* planes;   // [slice][element][thread] of the tile, if it is shared, or null
  uint64_t* come;  // blocks that have put theirs there
};

// The place of a warp in its block.
template <int kTile>
struct GemmW4A16Warp {
  static constexpr GemmW4A16Tile kShape = kGemmW4A16Tiles[kTile];
  int lane = threadIdx.x % 32;
  int n = threadIdx.x / 32 % kShape.warps_n;
  int m = threadIdx.x / 32 / kShape.warps_n % kShape.warps_m;
  int k = threadIdx.x / 32 / (kShape.warps_n * kShape.warps_m);
};

// Where a block's sums lie in shared memory, in elements. Those that a warp writes together, as
// mma.m16n8k16 has them, lie in different banks, and so do fours of a row that go to memory
// together.
template <int kColumns>
__device__ __forceinline__ int sum_at(int row, int column) {
  static_assert(kColumns == 32 || kColumns == 64 || kColumns == 128);
  const int eight = column / 8, four = column / 4 % 2;
  const int turn = row / 2 % 4 ^ (kColumns == 32 ? row % 2 * 2 : 0);
  const int swap = kColumns == 32 ? row % 2 : eight / 4 % 2;
  return row * kColumns + (eight ^ turn) * 8 + (four ^ swap) * 4 + column % 4;
}

// Sums of a warp as mma.m16n8k16 has them: element r of [i][j] is that of row 16 i + lane / 4 +
// r / 2 * 8 of its weights and row 8 j + lane % 4 * 2 + r % 2 of its activations.
template <int kTile>
struct GemmW4A16Sums {
  static constexpr GemmW4A16Tile kShape = kGemmW4A16Tiles[kTile];
  static constexpr int kWeights = kShape.warp_n() / 16;
  static constexpr int kActivations = kShape.warp_m() / 8;
  float v[kWeights][kActivations][4];

  // Where element r of [i][0] has its place among the block's sums; those of the other j follow
  // kStep behind each other.
  static constexpr int kStep = 8 * kShape.n;
  __device__ __forceinline__ static int place(const GemmW4A16Warp<kTile>& warp, int i, int r) {
    const int m = warp.m * kShape.warp_m() + warp.lane % 4 * 2;
    const int n = warp.n * kShape.warp_n() + warp.lane / 4;
    return sum_at<kShape.n>(m + r % 2, n + 16 * i + r / 2 * 8);
  }

  // To the block's sums in shared memory; or added to those that are there.
  __device__ __forceinline__ void store(const GemmW4A16Warp<kTile>& warp, float* to) const {
#pragma unroll
    for (int i = 0; i < kWeights; ++i) {
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        float* const first = to + place(warp, i, r);
#pragma unroll
        for (int j = 0; j < kActivations; ++j) first[j * kStep] = v[i][j][r];
      }
    }
  }
  __device__ __forceinline__ void add(const GemmW4A16Warp<kTile>& warp, float* to) {
#pragma unroll
    for (int i = 0; i < kWeights; ++i) {
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        // volatile: all of them at once, as they would be loaded, have no place in registers.
        volatile float* const first = to + place(warp, i, r);
        float before[kActivations];
#pragma unroll
        for (int j = 0; j < kActivations; ++j) before[j] = first[j * kStep];
#pragma unroll
        for (int j = 0; j < kActivations; ++j) first[j * kStep] = before[j] + v[i][j][r];
      }
    }
  }

  // To a plane of a shared tile: as they lie in the lanes, for the same lanes of another block.
  __device__ __forceinline__ void store_plane(float* plane) const {
#pragma unroll
    for (int i = 0; i < kCount; ++i) in_global<float>(plane)[kPlaneStep * i + threadIdx.x] = at(i);
  }
  // The sums of all slices, added in their order.
  __device__ __forceinline__ void add_planes(const float* planes, int slices) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      at(i) = in_global<const float>(planes)[kPlaneStep * i + threadIdx.x];
    }
#pragma unroll 1
    for (int s = 1; s < slices; ++s) {
      planes += kShape.m * kShape.n;
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        at(i) += in_global<const float>(planes)[kPlaneStep * i + threadIdx.x];
      }
    }
  }

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < kWeights; ++i) {
#pragma unroll
      for (int j = 0; j < kActivations; ++j) {
#pragma unroll
        for (int r = 0; r < 4; ++r) v[i][j][r] = 0;
      }
    }
  }

 private:
  static constexpr int kCount = kWeights * kActivations * 4;
  static constexpr int kPlaneStep = kShape.threads();
  static_assert(kCount * kPlaneStep == kShape.m * kShape.n * kShape.warps_k);
  __device__ __forceinline__ float& at(int i) {
    return v[i / 4 / kActivations][i / 4 % kActivations][i % 4];
  }
  __device__ __forceinline__ float at(int i) const {
    return v[i / 4 / kActivations][i / 4 % kActivations][i % 4];
  }
};

}  // namespace halfword
