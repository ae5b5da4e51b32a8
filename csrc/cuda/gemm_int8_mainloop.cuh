// The sums of one block: both operands come into shared memory a step of kGemmTiles' k columns at a
// time, some steps ahead, and go from there through registers to the tensor cores.
//
//   copies     cp.async of 16 bytes, zeros past the edges of the matrices
//   stages     step s lies in stage s % stages; a barrier a step says that it is there, and that
//              the stage before it may be overwritten
//   fragments  ldmatrix of one k32 while the one before it is multiplied
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/gemm_int8_launch.h"
#include "cuda/gemm_tile.cuh"
#include "cuda/ptx.cuh"

namespace halfword {

constexpr int kMmaK = 32;

// A block's rows of one operand on their way into shared memory: this thread's part, one chunk of
// every kAtOnce-th row.
template <int kRows, int kRowBytes, int kThreads>
class GemmCopy {
 public:
  // Rows [first, first + rows) of the matrix, as far as they exist; columns [begin, end).
  __device__ GemmCopy(const GemmOperand& matrix, int64_t first, int rows, int64_t begin,
                      int64_t end) {
    const int row = threadIdx.x / kChunks, chunk = threadIdx.x % kChunks;
    from_ = matrix.data + (first + row) * matrix.pitch + begin + chunk * kChunk;
    pass_ = kAtOnce * matrix.pitch;
    const int64_t exist = matrix.rows - first;
    rows_ = static_cast<int>(exist < rows ? exist : rows) - row;
    columns_ = static_cast<int>(end - begin) - chunk * kChunk;
    to_ = row * kRowBytes + (chunk ^ swizzle<kRowBytes>(row)) * kChunk;
  }

  // The next step, to rows that begin at `rows`.
  __device__ __forceinline__ void start(uint32_t rows) {
    const int bytes = columns_ < 0 ? 0 : columns_ < kChunk ? columns_ : kChunk;
#pragma unroll
    for (int i = 0; i < kPasses; ++i) {
      const int left = kRows - i * kAtOnce;  // rows, of which the last pass may have fewer
      if (left < kAtOnce && static_cast<int>(threadIdx.x) / kChunks >= left) continue;
      ptx::cp_async_16(rows + to_ + i * kAtOnce * kRowBytes, from_ + i * pass_,
                       i * kAtOnce < rows_ ? bytes : 0);
    }
    from_ += kRowBytes;
    columns_ -= kRowBytes;
  }

 private:
  static constexpr int kChunks = kRowBytes / kChunk;
  static constexpr int kAtOnce = kThreads / kChunks;
  static constexpr int kPasses = (kRows + kAtOnce - 1) / kAtOnce;
  static_assert(kAtOnce % 8 == 0);  // all passes have the same swizzle

  const int8_t* from_;
  int64_t pass_;
  int rows_;     // from this thread's first one on
  int columns_;  // from this thread's chunk on
  int to_;
};

// The place of a warp in its block.
template <int kTile>
struct GemmWarp {
  static constexpr GemmTile kShape = kGemmTiles[kTile];
  int lane = threadIdx.x % 32;
  int m = threadIdx.x / 32 / kShape.warps_n % kShape.warps_m;
  int n = threadIdx.x / 32 % kShape.warps_n;
  int k = threadIdx.x / 32 / (kShape.warps_n * kShape.warps_m);
};

// Sums of a warp, as mma.m16n8k32 has them: element r of [i][j] is that of row
// row_of(i) + lane / 4 + r / 2 * 8 and column n * warp_n + j * 8 + lane % 4 * 2 + r % 2 of the
// block. The warps take fragments of rows in turn, so that few rows are still divided among all.
template <int kTile>
struct GemmSums {
  static constexpr GemmTile kShape = kGemmTiles[kTile];
  static constexpr int kRows = kShape.warp_m() / kFragment;
  static constexpr int kColumns = kShape.warp_n() / 8;
  int32_t v[kRows][kColumns][4];

  __device__ static int row_of(int i, int warp_m) {
    return (i * kShape.warps_m + warp_m) * kFragment;
  }
};

template <int kTile>
class GemmMainloop {
 public:
  static constexpr GemmTile kShape = kGemmTiles[kTile];
  using Sums = GemmSums<kTile>;
  using CopyA = GemmCopy<kShape.m, kShape.k, kShape.threads()>;
  using CopyB = GemmCopy<kShape.n, kShape.k, kShape.threads()>;

  __device__ GemmMainloop(const GemmWarp<kTile>& warp, uint32_t shared) : shared_(shared) {
    // Of a: rows 0-7 and 8-15 of the first 16 columns, then of the next. Of b: rows 0-7 with both
    // halves of the columns, then rows 8-15.
    const int lane = warp.lane;
    const int a_row = Sums::row_of(0, warp.m) + lane % 16, a_half = lane / 16;
    const int b_row = warp.n * kShape.warp_n() + lane / 16 * 8 + lane % 8, b_half = lane / 8 % 2;
    const int chunk = warp.k * kMmasInStep * (kMmaK / kChunk);
    a_ = a_row * kShape.k + ((chunk + a_half) ^ swizzle<kShape.k>(a_row)) * kChunk;
    b_ = (kShape.m + b_row) * kShape.k + ((chunk + b_half) ^ swizzle<kShape.k>(b_row)) * kChunk;
  }

  // kWhole: all fragments of rows; else the first `fragments` of them.
  template <bool kWhole>
  __device__ __forceinline__ void run(CopyA a, CopyB b, int steps, int fragments, Sums& sums) {
    constexpr int kAhead = kShape.stages - 1;
#pragma unroll
    for (int s = 0; s < kAhead; ++s) {
      if (s < steps) start_step(a, b, s);
      ptx::cp_async_commit();
    }
    int filled = kAhead, used = 0;  // stages
    ptx::cp_async_wait<kAhead - 1>();
    __syncthreads();
    load<kWhole>(0, 0, 0, fragments);
#pragma unroll 1
    for (int step = 0; step < steps; ++step) {
#pragma unroll
      for (int i = 0; i < kMmasInStep; ++i) {
        if (i == kMmasInStep - 1) {  // all fragments of this step are in registers
          ptx::cp_async_wait<kAhead - 1>();
          __syncthreads();
          used = used + 1 == kShape.stages ? 0 : used + 1;
        }
        // After the last step this reads what nobody uses.
        load<kWhole>((i + 1) % 2, used, (i + 1) % kMmasInStep, fragments);
        if (i == 0) {  // into the stage of the step before, which the barrier has freed
          if (step + kAhead < steps) start_step(a, b, filled);
          ptx::cp_async_commit();
          filled = filled + 1 == kShape.stages ? 0 : filled + 1;
        }
        multiply<kWhole>(i % 2, fragments, sums);
      }
    }
    __syncthreads();  // shared memory is free
  }

 private:
  static constexpr int kMmasInStep = kShape.k / kMmaK / kShape.warps_k;  // k32s of a warp
  static_assert(kMmasInStep == 2);  // so that the fragments' two buffers are known in the loop
  static constexpr int kPairs = kShape.warp_n() / kFragment;  // of 8 columns

  __device__ __forceinline__ void start_step(CopyA& a, CopyB& b, int stage) const {
    const uint32_t rows = shared_ + stage * kShape.stage_bytes();
    a.start(rows);
    b.start(rows + kShape.m * kShape.k);
  }

  // The fragments of the warp's k32 number `k` in a stage.
  template <bool kWhole>
  __device__ __forceinline__ void load(int buffer, int stage, int k, int fragments) {
    const uint32_t at = shared_ + stage * kShape.stage_bytes();
    const int columns = k * kMmaK;  // added by xor: a bit that is 0 but for the swizzle
#pragma unroll
    for (int j = 0; j < kPairs; ++j) {
      ptx::ldmatrix_x4(b_fragments_[buffer][j], at + (b_ ^ columns) + j * kFragment * kShape.k);
    }
#pragma unroll
    for (int i = 0; i < Sums::kRows; ++i) {
      if (kWhole || i < fragments) {
        ptx::ldmatrix_x4(a_fragments_[buffer][i],
                         at + (a_ ^ columns) + Sums::row_of(i, 0) * kShape.k);
      }
    }
  }

  template <bool kWhole>
  __device__ __forceinline__ void multiply(int buffer, int fragments, Sums& sums) const {
#pragma unroll
    for (int i = 0; i < Sums::kRows; ++i) {
      if (kWhole || i < fragments) {
#pragma unroll
        for (int j = 0; j < Sums::kColumns; ++j) {
          const auto& b = b_fragments_[buffer][j / 2];
          ptx::mma_m16n8k32_s8(sums.v[i][j], a_fragments_[buffer][i], b[j % 2 * 2],
                               b[j % 2 * 2 + 1]);
        }
      }
    }
  }

  uint32_t shared_;
  int a_;  // offsets of this lane's row and first chunk in a stage
  int b_;
  uint32_t a_fragments_[2][Sums::kRows][4];
  uint32_t b_fragments_[2][kPairs][4];
};

}  // namespace halfword
