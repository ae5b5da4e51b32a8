// What ops that quantize rows which they compute have in common: a block takes a row, a thread
// eight consecutive elements of it and the eights 2048, 4096 and 6144 further. So many are held in
// registers from the first read to their codes; what a longer row has is read again by every pass.
#pragma once

#include "core/blocks.h"
#include "core/row_codes.h"
#include "cuda/quantize.cuh"

namespace halfword {

constexpr int64_t kRowStep = kThreads * kEight;
constexpr int64_t kRowChunk = kHeld * kRowStep;

// What the threads of a block agree on. Every call uses the other half of the memory than the one
// before, so that its barrier is the only one: who writes has passed the barrier of the call
// before, which nobody does who still reads what the call before that one left.
class BlockReducer {
 public:
  using Memory = uint32_t[2][kThreads];

  __device__ __forceinline__ explicit BlockReducer(Memory& memory) : memory_(memory) {}

  // All threads' terms, added in halves.
  __device__ __forceinline__ float sum(float mine) {
    uint32_t* const words = next();
    words[threadIdx.x] = float_word(mine);
    __syncthreads();
    constexpr int kWarps = kThreads / kWarpSize;
    float term[kWarps];
#pragma unroll
    for (int w = 0; w < kWarps; ++w) {
      term[w] = word_float(words[w * kWarpSize + threadIdx.x % kWarpSize]);
    }
#pragma unroll
    for (int half = kWarps / 2; half > 0; half /= 2) {
#pragma unroll
      for (int w = 0; w < half; ++w) term[w] += term[w + half];
    }
#pragma unroll
    for (int half = kWarpSize / 2; half > 0; half /= 2) {
      term[0] += __shfl_xor_sync(kAllLanes, term[0], half);
    }
    return term[0];
  }

  __device__ __forceinline__ uint32_t largest(uint32_t mine) {
    return reduce(mine, [](uint32_t a, uint32_t b) { return max(a, b); });
  }
  __device__ __forceinline__ uint32_t total(uint32_t mine) {
    return reduce(mine, [](uint32_t a, uint32_t b) { return a + b; });
  }

 private:
  __device__ __forceinline__ uint32_t* next() { return memory_[which_ ^= 1]; }

  // For integers, which any order serves.
  template <class Join>
  __device__ __forceinline__ uint32_t reduce(uint32_t mine, const Join& join) {
    uint32_t* const words = next();
#pragma unroll
    for (int half = kWarpSize / 2; half > 0; half /= 2) {
      mine = join(mine, __shfl_xor_sync(kAllLanes, mine, half));
    }
    if (threadIdx.x % kWarpSize == 0) words[threadIdx.x / kWarpSize] = mine;
    __syncthreads();
    mine = words[0];
#pragma unroll
    for (int w = 1; w < kThreads / kWarpSize; ++w) mine = join(mine, words[w]);
    return mine;
  }

  Memory& memory_;
  int which_ = 0;
};

// Where a thread's eights of the chunk at column `begin` of a row are: the column of number j,
__device__ __forceinline__ int64_t eight_column(int64_t begin, int j) {
  return begin + j * kRowStep + threadIdx.x * kEight;
}
// how many of its elements exist, at most eight; none below 1.
__device__ __forceinline__ int eight_count(int64_t begin, int j, int64_t cols) {
  return clamp_count(cols - eight_column(begin, j));
}

// What a thread has of a chunk.
using RowChunk = Floats<kEight>[kHeld];

template <class Word>
__device__ __forceinline__ void load_places(const MatrixView& m, const Places& at, RowChunk& x) {
  Eights<Word> held;
  held.load(m, at);
#pragma unroll
  for (int j = 0; j < kHeld; ++j) x[j] = held.floats(j, m.dtype);
}

// A chunk of a row of a matrix; 0 where it has no elements.
__device__ __forceinline__ void load_chunk(const MatrixView& m, int64_t row, int64_t begin,
                                           int64_t cols, RowChunk& x) {
  uint32_t counts = 0;
#pragma unroll
  for (int j = 0; j < kHeld; ++j) {
    counts |= static_cast<uint32_t>(eight_count(begin, j, cols)) << (4 * j);
  }
  const Places at{row * m.row_stride + eight_column(begin, 0), 0, kRowStep, 0, counts};
  if (m.dtype == Dtype::kFloat32) return load_places<uint32_t>(m, at, x);
  load_places<uint16_t>(m, at, x);
}

// The whole matrix as rows that packs of eight are taken from.
inline MatrixView view_rows(const void* x, int64_t row_stride, Dtype dtype, int64_t rows,
                            int64_t cols) {
  return view_matrix(x, row_stride, dtype, Blocks{rows, cols, 1, cols});
}
inline bool row_codes_aligned(const RowCodes& out, int64_t rows, int64_t cols) {
  return codes_aligned(out.codes, Blocks{rows, cols, 1, cols});
}

// Bits of a magnitude: as integers they order NaN above inf and inf above all numbers.
__device__ __forceinline__ uint32_t largest_magnitude(const RowChunk& y) {
  uint32_t largest = 0;
#pragma unroll
  for (int j = 0; j < kHeld; ++j) {
#pragma unroll
    for (int e = 0; e < kEight; ++e) largest = max(largest, bits(magnitude(y[j].v[e])).v);
  }
  return largest;
}

// Returns the sum of this thread's codes.
__device__ __forceinline__ uint32_t write_chunk_codes(const RowCodes& out, bool aligned,
                                                      int64_t row, int64_t begin, int64_t cols,
                                                      const RowChunk& y, F32 inv) {
  int32_t sum = 0;
#pragma unroll
  for (int j = 0; j < kHeld; ++j) {
    const int count = eight_count(begin, j, cols);
    if (count <= 0) continue;
    Pack<uint8_t, kEight> pack;
#pragma unroll
    for (int e = 0; e < kEight; ++e) {
      const F32 code = linear_code(y[j].v[e], inv, F32(0.0f), code_range(Mapping::kSymmetric, 8));
      pack.append(e, low_byte(code));
    }
    store_some(out.codes, row * cols + eight_column(begin, j), count, aligned, pack);
    sum += sum_codes(pack, count);
  }
  return static_cast<uint32_t>(sum);
}

// Scale, codes and sum of a row. compute(begin) leaves the chunk at column `begin` in y, with 0
// where there are no elements; it is called once for a row of one chunk. The passes are one loop
// because what compute does is long, and there are two calls of it otherwise.
template <class Compute>
__device__ __forceinline__ void write_row_codes(const RowCodes& out, bool aligned, int64_t row,
                                                int64_t cols, BlockReducer& reducer,
                                                const RowChunk& y, const Compute& compute) {
  const bool given = out.given_scale != nullptr;
  BlockScale scale = given_scale(given ? *out.given_scale : 0.0f, 0.0f);
  bool computed = false;
  uint32_t sum = 0;
#pragma unroll 1
  for (bool coding = given;; coding = true) {
    uint32_t largest = 0;
#pragma unroll 1
    for (int64_t begin = 0; begin < cols; begin += kRowChunk) {
      if (!computed) compute(begin);
      if (coding) {
        sum += write_chunk_codes(out, aligned, row, begin, cols, y, F32(scale.inv));
      } else {
        largest = max(largest, largest_magnitude(y));
      }
    }
    if (coding) break;
    computed = cols <= kRowChunk;
    scale = row_scale(reducer.largest(largest));
    if (threadIdx.x == 0) out.scale[row] = scale.scale;
  }
  if (out.row_sums == nullptr) return;
  sum = reducer.total(sum);
  if (threadIdx.x == 0) out.row_sums[row] = static_cast<int32_t>(sum);
}

}  // namespace halfword
