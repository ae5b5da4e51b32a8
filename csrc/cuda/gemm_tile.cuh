// Where the tiles of a GEMM lie: in the product, and in the shared memory of a block.
#pragma once

#include <cuda_runtime.h>

#include <atomic>
#include <cstdint>

namespace halfword {

// Which rows and columns a block has. Blocks that run at the same time should share both operands
// in the L2 cache: the tiles of eight rows of tiles come one column after the other.
struct GemmPlace {
  int64_t m;
  int64_t n;
};
__device__ __forceinline__ GemmPlace gemm_place(int64_t m_tiles, int64_t n_tiles, int64_t block) {
  constexpr int64_t kGroup = 8;
  const int64_t first = block / (kGroup * n_tiles) * kGroup;
  const int64_t rows = m_tiles - first < kGroup ? m_tiles - first : kGroup;
  const int64_t i = block - first * n_tiles;
  return {first + i % rows, i / rows};
}

constexpr int kChunk = 16;  // bytes of a copy to shared memory, and of a row of ldmatrix

// Eight rows that ldmatrix reads together must lie in different banks, and so must the chunks of a
// row that a copy writes together: chunk c of row r lies at c xor swizzle(r). Short rows share the
// 128 bytes of all banks; the chunks of eight of any length lie in all of them.
template <int kRowBytes>
__device__ __forceinline__ int swizzle(int row) {
  constexpr int kBytes = kRowBytes < 128 ? kRowBytes : 128;
  static_assert(kRowBytes % kBytes == 0 && 128 % kBytes == 0);
  return row / (128 / kBytes) % (kBytes / kChunk);
}

// Where sixteen rows of a warp's sums lie in shared memory, in bytes. Two of a lane are written as
// mma.m16n8k32 has them, and four of a lane read as they go to memory: both without bank conflicts.
template <int kColumns>
__device__ __forceinline__ int staged_at(int row, int column) {
  static_assert(kColumns == 32 || kColumns == 64);
  const int eight = column / 8, four = column / 4 % 2;
  const int turn = row % 4 / 2 + row % 2 * 2;  // eights of four rows in a row lie in other banks
  const int swap = kColumns == 64 ? eight / 4 % 2 : row % 2;  // fours that are read together
  return 4 * (row * kColumns + (eight ^ turn) * 8 + (four ^ swap) * 4 + column % 4);
}

// Once for each device: a kernel gets more than 48 KiB of shared memory only if it asks.
template <auto kKernel>
cudaError_t allow_shared_memory(int bytes) {
  static std::atomic<uint64_t> allowed{0};
  int device = 0;
  cudaError_t status = cudaGetDevice(&device);
  if (status != cudaSuccess) return status;
  const uint64_t bit = device < 64 ? uint64_t{1} << device : 0;
  if (allowed.load(std::memory_order_relaxed) & bit) return cudaSuccess;
  status = cudaFuncSetAttribute(kKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  if (status == cudaSuccess) allowed.fetch_or(bit, std::memory_order_relaxed);
  return status;
}

}  // namespace halfword
