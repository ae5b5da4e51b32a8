// The sums of one block, in FP32: of each part of k those of its products in 32 bits, exactly, and
// then those in FP32 by its scales, in the order of the contract.
//
//   a, b    as in gemm_int8_mainloop.cuh; of b, one ldmatrix brings what its nibbles have for
//           four fragments of eight rows and 32 columns
//   slots   what a part has of scales, zero points, offsets and sums of a, copied with the step
//           in which it begins; part i lies in slot i % slots
//
// The sum of a short part begins at the bits of 1.5 * 2^23. It then is the mantissa of that float,
// and one subtraction gives its own value; conversions take four times as long.
#pragma once

#include <climits>

#include "cuda/elements.cuh"
#include "cuda/gemm_int8_mainloop.cuh"
#include "cuda/gemm_w4a8_launch.h"

namespace halfword {

constexpr uint32_t kMagicBits = 0x4b400000;
constexpr float kMagic = 12582912.0f;

// The place of a warp in its block.
template <int kTile>
struct GemmW4A8Warp {
  static constexpr GemmW4A8Tile kShape = kGemmW4A8Tiles[kTile];
  int lane = threadIdx.x % 32;
  int m = threadIdx.x / 32 / kShape.warps_n;
  int n = threadIdx.x / 32 % kShape.warps_n;

  // The first row of the block in fragment i of the warp's.
  __device__ int row_of(int i) const { return (i * kShape.warps_m + m) * kFragment; }
};

// A part's values in shared memory, in bytes from the beginning of its slot.
template <int kTile>
struct GemmSlot {
  static constexpr GemmW4A8Tile kShape = kGemmW4A8Tiles[kTile];
  static constexpr int kScale = 0;
  static constexpr int kZeroPoint = kShape.floats_bytes();
  static constexpr int kOffset = kShape.floats_bytes();
  static constexpr int kASums = 2 * kShape.floats_bytes();
};

// Where in its first chunk of 16 bytes a row of a table begins. Columns that a block begins with
// are a multiple of a chunk.
__device__ __forceinline__ int chunk_offset(const GemmTable& table, int row) {
  return static_cast<int>(static_cast<uint32_t>(row) * static_cast<uint32_t>(table.columns) *
                          static_cast<uint32_t>(table.size) % kChunk);
}

// Up to `count` elements of a row from column `first` on, by the lanes of a warp: the chunks that
// hold them.
__device__ __forceinline__ void copy_row(const GemmTable& table, int64_t row, int64_t first,
                                         int count, int lane, uint32_t to) {
  const int64_t exist = table.columns - first;
  const int64_t begin = (row * table.columns + first) * table.size;
  const int64_t end = begin + (exist < count ? exist : count) * table.size;
  const int64_t all = table.rows * table.columns * table.size;
  for (int64_t at = begin / kChunk * kChunk + lane * kChunk; at < end; at += 32 * kChunk) {
    const int64_t left = all - at;
    ptx::cp_async_16(to + static_cast<uint32_t>(at - begin / kChunk * kChunk),
                     static_cast<const char*>(table.data) + at,
                     static_cast<int>(left < kChunk ? left : kChunk));
  }
}

template <int kTile>
class GemmW4A8Mainloop {
 public:
  static constexpr GemmW4A8Tile kShape = kGemmW4A8Tiles[kTile];
  static constexpr int kRows = kShape.warp_m() / kFragment;  // fragments of a warp
  static constexpr int kColumns = kShape.warp_n() / 8;
  using CopyA = GemmCopy<kShape.m, kShape.k, kShape.threads()>;
  using CopyB = GemmCopy<kShape.n, kShape.k / 2, kShape.threads()>;
  // As mma.m16n8k32 has them: element r of [i][j] is that of row row_of(i) + lane / 4 + r / 2 * 8
  // and column n * warp_n + j * 8 + lane % 4 * 2 + r % 2 of the block.
  using Sums = F32[kRows][kColumns][4];

  __device__ GemmW4A8Mainloop(const GemmW4A8KernelParams& params, int64_t first_m, int64_t first_n,
                              int8_t* shared)
      : p_(params), first_m_(first_m), first_n_(first_n), shared_(shared) {
    const int row = warp_.row_of(0) + warp_.lane % 16;
    a_ = row * kShape.k + (warp_.lane / 16 ^ swizzle<kShape.k>(row)) * kChunk;
    const int eight = warp_.lane / 8;  // of the rows of ldmatrix
    const int b_row = warp_.n * kShape.warp_n() + eight % kColumns * 8 + warp_.lane % 8;
    b_ =
        kShape.m * kShape.k + b_row * kPitch + (eight / kColumns ^ swizzle<kPitch>(b_row)) * kChunk;
    constexpr int kBytes = kShape.slot_bytes(false), kOffsetBytes = kShape.slot_bytes(true);
    slot_bytes_ = p_.offset.data != nullptr ? kOffsetBytes : kBytes;
  }

  __device__ __forceinline__ void run(CopyA a, CopyB b, Sums& sums) {
    constexpr int kAhead = kShape.stages - 1;
    const auto steps = static_cast<int>(p_.steps);
    if (steps == 0) return;
    const uint32_t shared = ptx::shared_address(shared_);
#pragma unroll
    for (int s = 0; s < kAhead; ++s) {
      if (s < steps) start_step(a, b, s, s);
      ptx::cp_async_commit();
    }
    int filled = kAhead, used = 0;  // stages
    ptx::cp_async_wait<kAhead - 1>();
    __syncthreads();
    load(0, shared, 0);
    begin_part();
#pragma unroll 1
    for (int step = 0; step < steps; ++step) {
#pragma unroll
      for (int i = 0; i < kLoads; ++i) {
        if (i == kLoads - 1) {  // all fragments of this step are in registers
          ptx::cp_async_wait<kAhead - 1>();
          __syncthreads();
          used = used + 1 == kShape.stages ? 0 : used + 1;
        }
        // After the last step this reads what nobody uses.
        load((i + 1) % 2, shared + used * kShape.stage_bytes(), (i + 1) % kLoads);
        if (i == 0) {  // into the stage of the step before, which the barrier has freed
          if (step + kAhead < steps) start_step(a, b, step + kAhead, filled);
          ptx::cp_async_commit();
          filled = filled + 1 == kShape.stages ? 0 : filled + 1;
        }
        multiply(i % 2, sums);
      }
    }
    fold(sums);
    __syncthreads();  // shared memory is free
  }

 private:
  static constexpr int kPitch = kShape.k / 2;  // of a row of b
  static constexpr int kAtOnce = kShape.k32s_at_once();
  static constexpr int kLoads = kShape.k32s() / kAtOnce;  // of b's fragments in a step
  static_assert(kColumns * kAtOnce == 4);                 // what ldmatrix brings
  static_assert(kLoads % 2 == 0);  // so that the fragments' two buffers are known in the loop
  using Slot = GemmSlot<kTile>;

  __device__ __forceinline__ int8_t* slot(int i) const {
    return shared_ + kShape.stages * kShape.stage_bytes() + i * slot_bytes_;
  }
  __device__ static int after(int slot) { return slot + 1 == kShape.slots() ? 0 : slot + 1; }

  // Copies of a step, and of the values of the parts that begin in it: of each by another warp.
  __device__ __forceinline__ void start_step(CopyA& a, CopyB& b, int step, int stage) {
    const uint32_t rows = ptx::shared_address(shared_) + stage * kShape.stage_bytes();
    a.start(rows);
    b.start(rows + kShape.m * kShape.k);
    const int end = (step + 1) * kShape.k32s();
    while (copied_.begin < end && copied_.begin < p_.parts.k32s) {
      if (copied_.index % (kShape.threads() / 32) == static_cast<int>(threadIdx.x / 32)) {
        start_part(copied_, ptx::shared_address(slot(copied_slot_)));
      }
      copied_.advance(p_.parts);
      copied_slot_ = after(copied_slot_);
    }
  }

  __device__ __forceinline__ void start_part(const GemmPart& part, uint32_t to) const {
    const auto copy = [&](const GemmTable& table, int64_t row, int64_t first, int count,
                          int place) {
      if (table.data != nullptr) copy_row(table, row, first, count, warp_.lane, to + place);
    };
    copy(p_.scale, part.group, first_n_, kShape.n, Slot::kScale);
    copy(p_.zero_point, part.group, first_n_, kShape.n, Slot::kZeroPoint);
    copy(p_.offset, part.group, first_n_, kShape.n, Slot::kOffset);
    copy(p_.a_sums, part.index, first_m_, kShape.m, Slot::kASums);
  }

  // The fragments of load number `i` of a stage.
  __device__ __forceinline__ void load(int buffer, uint32_t stage, int i) {
    // Added by xor: a bit that is 0 but for the swizzle.
    ptx::ldmatrix_x4(b_fragments_[buffer], stage + (b_ ^ i * kAtOnce * kChunk));
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) {
      const int columns = (i * kAtOnce + k) * kMmaK;
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        const int rows = r * kShape.warps_m * kFragment * kShape.k;
        ptx::ldmatrix_x4(a_fragments_[buffer][k][r], stage + (a_ ^ columns) + rows);
      }
    }
  }

  // Four nibbles, less the zero point, as four int8. No byte borrows from the next: it is 128 and
  // more at first.
  __device__ __forceinline__ static uint32_t weights(uint32_t nibbles, uint32_t zero_points) {
    return (((nibbles & 0x0f0f0f0fu) | 0x80808080u) - zero_points) ^ 0x80808080u;
  }

  __device__ __forceinline__ void multiply(int buffer, Sums& sums) {
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) {
      if (left_ == 0) {
        fold(sums);
        begin_part();
      }
      --left_;
#pragma unroll
      for (int j = 0; j < kColumns; ++j) {
        const uint32_t nibbles = b_fragments_[buffer][k * kColumns + j];
        const uint32_t low = weights(nibbles, zero_points_[j]);
        const uint32_t high = weights(nibbles >> 4, zero_points_[j]);
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
          ptx::mma_m16n8k32_s8(acc_[i][j], a_fragments_[buffer][k][i], low, high);
        }
      }
    }
  }

  __device__ __forceinline__ void begin_part() {
    // The last one holds until the end: steps may go beyond.
    const int length = part_.length(p_.parts);
    left_ = part_.begin + length < p_.parts.k32s ? length : INT_MAX;
    const int8_t* values = slot(slot_) + Slot::kZeroPoint +
                           chunk_offset(p_.zero_point, part_.group) + warp_.n * kShape.warp_n() +
                           warp_.lane / 4;
    const bool has_zero_point = p_.zero_point.data != nullptr;
#pragma unroll
    for (int j = 0; j < kColumns; ++j) {
      const auto zero_point = has_zero_point ? static_cast<uint8_t>(values[8 * j]) : uint8_t{8};
      zero_points_[j] = zero_point * 0x01010101u;
    }
    const int32_t start = p_.short_parts ? static_cast<int32_t>(kMagicBits) : 0;
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
#pragma unroll
      for (int j = 0; j < kColumns; ++j) {
#pragma unroll
        for (int r = 0; r < 4; ++r) acc_[i][j][r] = start;
      }
    }
  }

  // The sums of the part that ends, by its scales.
  __device__ __forceinline__ void fold(Sums& sums) {
    const int8_t* values = slot(slot_);
    const int place = chunk_offset(p_.scale, part_.group);
    Columns scale;
    load_columns(values + Slot::kScale + place, scale);
    if (p_.short_parts) {
      add(sums, scale, [&](int i, int j, int r) {
        return from_bits<F32>(static_cast<uint32_t>(acc_[i][j][r])) - F32(kMagic);
      });
    } else {
      add(sums, scale, [&](int i, int j, int r) { return F32(static_cast<float>(acc_[i][j][r])); });
    }
    if (p_.offset.data != nullptr) {
      Columns offset;
      load_columns(values + Slot::kOffset + place, offset);
      const auto* a_sums = reinterpret_cast<const float*>(values + Slot::kASums);
      add(sums, offset, [&](int i, int, int r) {
        return F32(a_sums[warp_.row_of(i) + warp_.lane / 4 + r / 2 * 8]);
      });
    }
    part_.advance(p_.parts);
    slot_ = after(slot_);
  }

  using Columns = F32[kColumns][2];
  __device__ __forceinline__ void load_columns(const int8_t* from, Columns& columns) const {
    switch (p_.scale_dtype) {
      case Dtype::kFloat32: return load_columns_of<Float32>(from, columns);
      case Dtype::kBFloat16: return load_columns_of<BFloat16>(from, columns);
      case Dtype::kFloat16: return load_columns_of<Float16>(from, columns);
    }
  }
  template <class Format>
  __device__ __forceinline__ void load_columns_of(const int8_t* from, Columns& columns) const {
    const auto* words = reinterpret_cast<const typename Format::Word*>(from) +
                        warp_.n * kShape.warp_n() + warp_.lane % 4 * 2;
#pragma unroll
    for (int j = 0; j < kColumns; ++j) {
#pragma unroll
      for (int e = 0; e < 2; ++e) columns[j][e] = Format::to_float(words[8 * j + e]);
    }
  }
  template <class Value>
  __device__ __forceinline__ static void add(Sums& sums, const Columns& by, const Value& value) {
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
#pragma unroll
      for (int j = 0; j < kColumns; ++j) {
#pragma unroll
        for (int r = 0; r < 4; ++r) {
          sums[i][j][r] = fma(value(i, j, r), by[j][r % 2], sums[i][j][r]);
        }
      }
    }
  }

  const GemmW4A8KernelParams& p_;
  const GemmW4A8Warp<kTile> warp_;
  int64_t first_m_;
  int64_t first_n_;
  int8_t* shared_;
  int slot_bytes_;
  int a_;  // offsets of this lane's row and first chunk in a stage
  int b_;
  GemmPart copied_;  // the next to be copied
  int copied_slot_ = 0;
  GemmPart part_;  // the one that is summed
  int slot_ = 0;
  int left_ = 0;                    // k32s of it
  uint32_t zero_points_[kColumns];  // in four bytes each
  int32_t acc_[kRows][kColumns][4];
  uint32_t a_fragments_[2][kAtOnce][kRows][4];
  uint32_t b_fragments_[2][4];
};

}  // namespace halfword
