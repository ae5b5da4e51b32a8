// A warp, or for long rows a block, takes a row after the other. A lane writes 16 bytes at a time
// and reads them as the words that hold them, wherever the row begins.
#include "cuda/pack_int8.h"

#include "cuda/launch.cuh"
#include "cuda/ptx.cuh"

namespace halfword {
namespace {

constexpr int kChunk = PackInt8Params::kPitch;
static_assert(kChunk == 16);
constexpr int kWords = kChunk / 4;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int64_t kLongRow = 2 * kThreads * kChunk;  // from here on every thread has two chunks

// 16 bytes from p on, of which `exist` do; the others are 0. [begin, end) may be read.
__device__ __forceinline__ void load_chunk(const int8_t* p, int64_t exist, const int8_t* begin,
                                           const int8_t* end, uint32_t (&chunk)[kWords]) {
  const int skip = static_cast<int>(reinterpret_cast<uintptr_t>(p) % 4);
  const int8_t* first = p - skip;
  if (exist >= kChunk && first >= begin && first + kChunk + (skip != 0 ? 4 : 0) <= end) {
    const auto* words = reinterpret_cast<const uint32_t*>(first);
    uint32_t word = words[0];
#pragma unroll
    for (int i = 0; i < kWords; ++i) {
      const uint32_t next = i + 1 < kWords || skip != 0 ? words[i + 1] : 0;
      chunk[i] = __funnelshift_r(word, next, 8 * skip);
      word = next;
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < kWords; ++i) {
    chunk[i] = 0;
#pragma unroll
    for (int byte = 0; byte < 4; ++byte) {
      const int at = 4 * i + byte;
      if (at < exist) chunk[i] |= static_cast<uint32_t>(static_cast<uint8_t>(p[at])) << (8 * byte);
    }
  }
}

// This thread's part of a row: chunks first, first + step, ...
__device__ __forceinline__ int64_t pitch_row(const PitchRows& p, int64_t row, int64_t first,
                                             int64_t step) {
  const int8_t* const from = p.from + row * p.row_stride;
  const int8_t* const end = p.from + (p.rows - 1) * p.row_stride + p.k;
  const int64_t pitch = (p.k + kChunk - 1) / kChunk * kChunk;
  int64_t sum = 0;
  for (int64_t at = first * kChunk; at < p.k; at += step * kChunk) {
    uint32_t chunk[kWords];
    load_chunk(from + at, p.k - at, p.from, end, chunk);
    int part = 0;
#pragma unroll
    for (int i = 0; i < kWords; ++i) part = __dp4a(static_cast<int>(chunk[i]), 0x01010101, part);
    sum += part;
    if (p.to == nullptr) continue;
    ptx::store_global_v4(p.to + row * pitch + at,
                         make_uint4(chunk[0], chunk[1], chunk[2], chunk[3]));
  }
  return sum;
}

__device__ __forceinline__ void write_sum(const PitchRows& p, int64_t row, int64_t sum) {
  if (p.sums != nullptr) p.sums[row] = static_cast<int32_t>(sum);
  if (p.wide_sums != nullptr) p.wide_sums[row] = sum;
}

__device__ __forceinline__ int64_t warp_sum(int64_t sum) {
#pragma unroll
  for (int half = kWarpSize / 2; half > 0; half /= 2) {
    sum += __shfl_down_sync(kAllLanes, sum, half);
  }
  return sum;
}

__global__ void __launch_bounds__(kThreads) pack_int8_kernel(const PitchRows p) {
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  for (int64_t row = blockIdx.x * int64_t{kWarps} + warp; row < p.rows;
       row += gridDim.x * int64_t{kWarps}) {
    const int64_t sum = warp_sum(pitch_row(p, row, lane, kWarpSize));
    if (lane == 0) write_sum(p, row, sum);
  }
}

__global__ void __launch_bounds__(kThreads) pack_int8_long_kernel(const PitchRows p) {
  __shared__ int64_t sums[kWarps];
  for (int64_t row = blockIdx.x; row < p.rows; row += gridDim.x) {
    const int64_t sum = warp_sum(pitch_row(p, row, threadIdx.x, kThreads));
    if (threadIdx.x % kWarpSize == 0) sums[threadIdx.x / kWarpSize] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
      int64_t all = 0;
      for (int w = 0; w < kWarps; ++w) all += sums[w];
      write_sum(p, row, all);
    }
    __syncthreads();  // before the sums of the next row
  }
}

}  // namespace

cudaError_t pitch_rows(const PitchRows& p, cudaStream_t stream) {
  constexpr int64_t kMostBlocks = 1 << 16;
  if (p.rows == 0) return cudaSuccess;
  const bool is_long = p.k >= kLongRow;
  const int64_t blocks = is_long ? p.rows : (p.rows + kWarps - 1) / kWarps;
  const auto grid = static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks);
  if (is_long) {
    pack_int8_long_kernel<<<grid, kThreads, 0, stream>>>(p);
  } else {
    pack_int8_kernel<<<grid, kThreads, 0, stream>>>(p);
  }
  return cudaGetLastError();
}

CudaStatus pack_int8_cuda(const PackInt8Params& params, CudaStream stream) {
  if (reinterpret_cast<uintptr_t>(params.packed) % kChunk != 0) return cudaErrorMisalignedAddress;
  return pitch_rows({.from = params.b,
                     .row_stride = params.row_stride,
                     .rows = params.n,
                     .k = params.k,
                     .to = params.packed,
                     .sums = params.sums,
                     .wide_sums = nullptr},
                    stream);
}

}  // namespace halfword
