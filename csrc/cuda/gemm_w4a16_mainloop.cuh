// The sums of one block: activations and weights come into shared memory a step at a time, some
// steps ahead, and go from there through registers to the tensor cores.
//
//   copies     cp.async of 16 bytes, zeros past the edges of the matrices
//   stages     step s lies in stage s % stages; a barrier a step says that it is there, and that
//              the stage before it may be overwritten
//   fragments  ldmatrix: of activations 8 rows and 32 columns, of weights 32 rows and 32 columns or
//              16 and 64, whose words are unpacked to 16-bit integers (gemm_w4a16_weights.cuh)
//   sums       weights are the 16 rows of mma.m16n8k16 and activations its 8 columns, in every
//              tile. The sums of a group are scaled and added to those of a slice when it ends.
//
// A sum of activations, for offsets, is their product with weights of 1: it comes out in the lanes
// that need it.
#pragma once

#include <cuda_runtime.h>

#include <climits>
#include <cstdint>

#include "cuda/gemm_tile.cuh"
#include "cuda/gemm_w4a16_launch.h"
#include "cuda/gemm_w4a16_sums.cuh"
#include "cuda/gemm_w4a16_weights.cuh"
#include "cuda/ptx.cuh"

namespace halfword {

// Rows of one operand on their way into shared memory, kRows in each of kPlanes parts that begin at
// other columns: this thread's chunks.
template <int kRows, int kRowBytes, int kPlanes, int kPlaneBytes, int kThreads>
class GemmW4A16Copy {
 public:
  // The matrix begins at `from`; of its rows `rows` exist, each of `row_bytes`.
  __device__ GemmW4A16Copy(const uint8_t* from, int64_t pitch, int64_t rows, int64_t row_bytes,
                           int64_t plane_stride)
      : pitch_(pitch), plane_stride_(static_cast<int>(plane_stride)) {
    const int line = threadIdx.x / kChunks, chunk = threadIdx.x % kChunks;
    const int row = line % kRows, plane = line / kRows;
    const int64_t begin = plane * plane_stride + chunk * kChunk;
    from_ = from + row * pitch + begin;
    rows_ = static_cast<int>(rows < kRows ? rows : kRows) - row;
    left_ = static_cast<int>(row_bytes - begin);
    to_ = plane * kPlaneBytes + row * kRowBytes + (chunk ^ swizzle<kRowBytes>(row)) * kChunk;
  }

  // The step's rows of a matrix that lies `offset` bytes behind, to planes that begin at `planes`.
  __device__ __forceinline__ void start(uint32_t planes, int64_t offset = 0) const {
#pragma unroll
    for (int i = 0; i < kPasses; ++i) {
      const int row = i % kRowPasses * kAtOnce, plane = i / kRowPasses * kPlanesAtOnce;
      const int left = left_ - plane * plane_stride_;
      const int bytes = left < 0 ? 0 : left < kChunk ? left : kChunk;
      ptx::cp_async_16(planes + to_ + plane * kPlaneBytes + row * kRowBytes,
                       from_ + offset + row * pitch_ + int64_t{plane} * plane_stride_,
                       row < rows_ ? bytes : 0);
    }
  }
  __device__ __forceinline__ void next() { from_ += kRowBytes, left_ -= kRowBytes; }

 private:
  static constexpr int kChunks = kRowBytes / kChunk;
  static constexpr int kAtOnce = kThreads / kChunks;  // rows of a pass, in one plane or in several
  static constexpr int kPlanesAtOnce = kAtOnce > kRows ? kAtOnce / kRows : 1;
  static constexpr int kRowPasses = kAtOnce > kRows ? 1 : kRows / kAtOnce;
  static constexpr int kPasses = kRowPasses * kPlanes / kPlanesAtOnce;
  static_assert(kPasses * kAtOnce == kRows * kPlanes);
  static_assert(kRowPasses == 1 || kAtOnce % 8 == 0);  // all passes have the same swizzle

  const uint8_t* from_;
  int64_t pitch_;
  int plane_stride_;
  int rows_;  // from this thread's first one on
  int left_;  // bytes of a row from this thread's chunk on
  int to_;
};

template <int kTile, class Pairs>
class GemmW4A16Mainloop {
 public:
  static constexpr GemmW4A16Tile kShape = kGemmW4A16Tiles[kTile];
  using Sums = GemmW4A16Sums<kTile>;

  // `sums`: the block's in shared memory, which slices that come one after the other are added to,
  // unless the tile is shared.
  __device__ GemmW4A16Mainloop(const GemmW4A16KernelParams& p, const GemmW4A16Warp<kTile>& warp,
                               const GemmW4A16Part& part, uint32_t shared, float* sums)
      : p_(p),
        warp_(warp),
        part_(part),
        a_copy_(p.a.data + part.first_m * p.a.pitch + 2 * part.begin, p.a.pitch,
                p.out.m - part.first_m, 2 * (p.b.k - part.begin), 2 * p.slice),
        b_copy_(p.b.data + part.first_n * p.b_pitch + part.begin / 2, p.b_pitch,
                p.b.n - part.first_n, p.b_pitch - part.begin / 2, p.slice / 2),
        shared_(shared),
        total_(sums),
        first_row_(part.first_n + warp.n * kShape.warp_n() + warp.lane / 4) {
    const int lane = warp.lane;
    const int a_row = warp.m * kShape.warp_m() + lane % 8;
    const int b_row = warp.n * kShape.warp_n() + lane % kShape.warp_n();
    a_ = (warp.k * kShape.terms * kShape.m + a_row) * kShape.a_row_bytes() +
         (lane / 8 ^ swizzle<kShape.a_row_bytes()>(a_row)) * kChunk;
    b_ = kShape.a_bytes() + (warp.k * kShape.n + b_row) * kShape.b_row_bytes() +
         (lane / kShape.warp_n() ^ swizzle<kShape.b_row_bytes()>(b_row)) * kChunk;

    column_ = part.begin + warp.k * p.slice;
    group_end_ = slice_end_ = INT_MAX;
    if (column_ < part.end) {
      slice_end_ = part.end - column_ < p.slice ? part.end : column_ + p.slice;
      const int group = column_ / p.group;
      group_end_ = (group + 1) * p.group;
      next_group_ = group;
      coming_.load(p.b, p.groups, group, first_row_);
      begin_group();
    }
  }

  // The slice's sums; of the last one, where there are several.
  __device__ __forceinline__ void run(Sums& sums) {
    constexpr int kAhead = kShape.stages - 1;
    const int columns = kSlices > 1 ? part_.end - part_.begin : p_.slice;
    const int steps = (columns + kShape.k - 1) / kShape.k;
#pragma unroll
    for (int s = 0; s < kAhead; ++s) {
      if (s < steps) start_step(s);
      ptx::cp_async_commit();
    }
    int used = 0;  // stage
#pragma unroll 1
    for (int left = steps; left > 0; --left) {
      ptx::cp_async_wait<kAhead - 1>();
      __syncthreads();
      // The stage of the step before, which the barrier has freed.
      if (left > kAhead) start_step(used == 0 ? kAhead : used - 1);
      ptx::cp_async_commit();
      if (slice_end_ < INT_MAX) multiply(shared_ + used * kShape.stage_bytes(), sums);
      used = used == kAhead ? 0 : used + 1;
    }
    __syncthreads();  // shared memory is free
  }

 private:
  static constexpr int kSlices = kGemmW4A16Slices / kShape.warps_k;  // of a warp
  static constexpr int kRows = 2 * Sums::kWeights;                   // of weights, in a lane
  static constexpr int kLoadColumns = 128 / kRows;                   // of an ldmatrix of weights
  using Group = GemmW4A16Group<kRows>;
  using CopyA = GemmW4A16Copy<kShape.m, kShape.a_row_bytes(), kShape.warps_k,
                              kShape.terms * kShape.m * kShape.a_row_bytes(), kShape.threads()>;
  using CopyB = GemmW4A16Copy<kShape.n, kShape.b_row_bytes(), kShape.warps_k,
                              kShape.n * kShape.b_row_bytes(), kShape.threads()>;
  static_assert(kSlices == 1 || kSlices == kGemmW4A16Slices);
  static_assert(kGemmW4A16SliceStep % kShape.k == 0 && kShape.k % kLoadColumns == 0);

  __device__ __forceinline__ void start_step(int stage) {
    const uint32_t at = shared_ + stage * kShape.stage_bytes();
#pragma unroll
    for (int term = 0; term < kShape.terms; ++term) {
      a_copy_.start(at + term * kShape.m * kShape.a_row_bytes(), term * p_.a.term_stride);
    }
    b_copy_.start(at + kShape.a_bytes());
    a_copy_.next(), b_copy_.next();
  }

  __device__ __forceinline__ void multiply(uint32_t stage, Sums& sums) {
#pragma unroll 1
    for (int c = 0; c < kShape.k; c += kLoadColumns) {
      uint32_t codes[4];  // of eight rows each; with 16 rows those of the next 32 columns follow
      ptx::ldmatrix_x4(codes, stage + (b_ ^ c / 2));  // xor: a bit that is 0 but for the swizzle
#pragma unroll
      for (int k32 = 0; k32 < kLoadColumns; k32 += 32) {
        uint32_t weights[Sums::kWeights][2][4];
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
          const uint32_t zero = Group::template zero<Pairs>(p_.b, other_[i]);
          unpack_codes<Pairs>(codes[k32 / 32 * kRows + i], zero, weights[i / 2][i % 2]);
        }
        multiply_32(stage + (a_ ^ 2 * (c + k32)), weights);
        column_ += 32;
        if (column_ >= flush_at()) flush(sums);
      }
    }
  }

  // 32 columns of all activations of the warp, which begin at `from`.
  __device__ __forceinline__ void multiply_32(uint32_t from,
                                              const uint32_t (&weights)[Sums::kWeights][2][4]) {
#pragma unroll
    for (int term = 0; term < kShape.terms; ++term) {
#pragma unroll
      for (int j = 0; j < Sums::kActivations; ++j) {
        uint32_t a[4];
        ptx::ldmatrix_x4(a, from + (term * kShape.m + 8 * j) * kShape.a_row_bytes());
#pragma unroll
        for (int k16 = 0; k16 < 4; k16 += 2) {
#pragma unroll
          for (int i = 0; i < Sums::kWeights; ++i) {
            const auto& w = weights[i];
            const uint32_t both[4] = {w[0][k16], w[1][k16], w[0][k16 + 1], w[1][k16 + 1]};
            Pairs::multiply(group_sums_.v[i][j], both, a[k16], a[k16 + 1]);
          }
        }
      }
    }
    if (p_.b.offset == nullptr) return;
    constexpr uint32_t kOnes[4] = {Pairs::kOnes, Pairs::kOnes, Pairs::kOnes, Pairs::kOnes};
#pragma unroll
    for (int term = 0; term < kShape.terms; ++term) {
#pragma unroll
      for (int j = 0; j < Sums::kActivations; ++j) {
        uint32_t a[4];
        ptx::ldmatrix_x4(a, from + (term * kShape.m + 8 * j) * kShape.a_row_bytes());
        float both[4] = {a_sums_[j][0], a_sums_[j][1], 0, 0};  // the lower rows are as the upper
        Pairs::multiply(both, kOnes, a[0], a[1]);
        Pairs::multiply(both, kOnes, a[2], a[3]);
        a_sums_[j][0] = both[0], a_sums_[j][1] = both[1];
      }
    }
  }

  // Where a group ends, or a slice, or both.
  __device__ __forceinline__ int flush_at() const {
    return group_end_ < slice_end_ ? group_end_ : slice_end_;
  }
  __device__ __forceinline__ void flush(Sums& sums) {
    scale_group(sums);
    const bool is_group = group_end_ <= slice_end_;
    if (slice_end_ <= group_end_) {
      if constexpr (kSlices > 1) end_slice(sums);
      const int end = part_.end;
      if (kSlices == 1 || slice_end_ == end) {
        group_end_ = slice_end_ = INT_MAX;  // the step's other columns are zeros
        return;
      }
      slice_end_ = end - slice_end_ < p_.slice ? end : slice_end_ + p_.slice;
    }
    if (is_group) {
      group_end_ += p_.group;
      begin_group();
    }
  }

  __device__ __forceinline__ void scale_group(Sums& sums) {
#pragma unroll
    for (int i = 0; i < Sums::kWeights; ++i) {
#pragma unroll
      for (int j = 0; j < Sums::kActivations; ++j) {
#pragma unroll
        for (int r = 0; r < 4; ++r) {
          float& sum = sums.v[i][j][r];
          float& group_sum = group_sums_.v[i][j][r];
          sum = fmaf(group_sum, scale_[2 * i + r / 2].v, sum);
          group_sum = 0;
          if (p_.b.offset == nullptr) continue;
          sum = fmaf(a_sums_[j][r % 2], from_bits<F32>(other_[2 * i + r / 2]).v, sum);
        }
      }
    }
#pragma unroll
    for (int j = 0; j < Sums::kActivations; ++j) a_sums_[j][0] = a_sums_[j][1] = 0;
  }

  __device__ __forceinline__ void end_slice(Sums& sums) {
    if (part_.planes != nullptr) {
      const int slice =
          (slice_end_ > p_.slice) + (slice_end_ > 2 * p_.slice) + (slice_end_ > 3 * p_.slice);
      sums.store_plane(part_.planes + slice * (kShape.m * kShape.n));
    } else if (slice_end_ <= p_.slice) {
      sums.store(warp_, total_);
    } else {
      sums.add(warp_, total_);
    }
    sums.clear();
  }

  // The values that are there now, and a request for those of the group after.
  __device__ __forceinline__ void begin_group() {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      scale_[r] = coming_.scale(p_.b, r);
      other_[r] = coming_.template other<Pairs>(p_.b, r);
    }
    coming_.load(p_.b, p_.groups, ++next_group_, first_row_);
  }

  const GemmW4A16KernelParams& p_;
  const GemmW4A16Warp<kTile>& warp_;
  const GemmW4A16Part& part_;
  CopyA a_copy_;
  CopyB b_copy_;
  uint32_t shared_;
  float* total_;
  int a_;  // offsets of this lane's row and first chunk in a stage
  int b_;

  // Columns.
  int column_;  // that is multiplied next
  int group_end_;
  int slice_end_;

  int next_group_;  // that `coming_` has
  int first_row_;   // of the lane's weights
  Group coming_;
  F32 scale_[kRows];
  uint32_t other_[kRows];  // of GemmW4A16Group
  Sums group_sums_{};
  float a_sums_[Sums::kActivations][2] = {};  // of the group, of activations alone
};

}  // namespace halfword
