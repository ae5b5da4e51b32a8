// How kernels over a tensor table are launched, and how a block finds its tiles.
#pragma once

#include <cuda_runtime.h>

#include <atomic>
#include <cstdint>

#include "core/cuda.h"
#include "core/tensor_table.h"

namespace halfword {

constexpr int kWarpSize = 32;
constexpr uint32_t kAllLanes = 0xffffffffu;
constexpr int kThreads = 256;

// How many blocks of kBlock threads of a kernel run at the same time on the current device.
template <auto kKernel, int kBlock>
cudaError_t resident_blocks(int* blocks) {
  constexpr int kDevices = 64;
  static std::atomic<int> known[kDevices];  // 0: not asked yet
  int device = 0;
  cudaError_t status = cudaGetDevice(&device);
  if (status != cudaSuccess) return status;
  if (device < kDevices && (*blocks = known[device].load(std::memory_order_relaxed)) > 0) {
    return cudaSuccess;
  }
  int per_processor = 0;
  int processors = 0;
  status = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&per_processor, kKernel, kBlock, 0);
  if (status != cudaSuccess) return status;
  status = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
  if (status != cudaSuccess) return status;
  *blocks = per_processor * processors;
  if (*blocks <= 0) return cudaErrorInvalidConfiguration;
  if (device < kDevices) known[device].store(*blocks, std::memory_order_relaxed);
  return cudaSuccess;
}

// Launches as many blocks as run at the same time, and no more than there are tiles: each takes
// every gridDim.x-th. Without tiles it only finds out whether the kernel can be launched.
template <auto kKernel, int kBlock = kThreads, class Params>
cudaError_t launch_over_tiles(int64_t tiles, cudaStream_t stream, const Params& params) {
  int blocks = 0;
  const cudaError_t status = resident_blocks<kKernel, kBlock>(&blocks);
  if (status != cudaSuccess) return status;
  if (tiles == 0) return cudaSuccess;
  const auto grid = static_cast<unsigned>(tiles < blocks ? tiles : blocks);
  kKernel<<<grid, kBlock, 0, stream>>>(params);
  return cudaGetLastError();
}

// The rows of a group, on the device.
template <class Row>
struct GroupView {
  const Row* rows;
  void* const* grads;
  const int64_t* ends;    // tiles up to and including row i
  const uint64_t* words;  // of the table, for layouts
  int64_t count;
  int64_t tiles;
};

template <class Row>
GroupView<Row> view_of(const TensorTable& table, const TensorTable::Group& group,
                       const uint64_t* words) {
  return {reinterpret_cast<const Row*>(words + table.rows) + group.first,
          reinterpret_cast<void* const*>(words + table.grads) + group.first,
          reinterpret_cast<const int64_t*>(words + group.ends),
          words,
          group.count,
          group.tiles};
}

// A tile: its row, and its number in it.
struct RowTile {
  int64_t row;
  int64_t tile;
};

// The first row that ends past the tile. A warp looks at 32 places at once, so that a list of
// thousands takes three loads one after the other; all warps of a block ask for the same tile.
__device__ __forceinline__ RowTile find_row(const int64_t* ends, int64_t count, int64_t tile) {
  const int lane = threadIdx.x % kWarpSize;
  int64_t first = 0;
  while (count > 1) {
    const int64_t stride = (count + kWarpSize - 1) / kWarpSize;
    const int64_t last = (lane + 1) * stride - 1;  // of this lane's part
    const bool past = last >= count - 1 || ends[first + last] > tile;
    const int part = __ffs(__ballot_sync(kAllLanes, past)) - 1;
    first += part * stride;
    count = count - part * stride < stride ? count - part * stride : stride;
  }
  return {first, tile - (first == 0 ? 0 : ends[first - 1])};
}

// Where walk position `position` of a tensor lies, in elements, for `kTensors` tensors of the
// layout that begins at a word of the table (core/tensor_table.h); of a dense one if that is 0.
template <int kTensors>
__device__ __forceinline__ void walk(const uint64_t* words, int64_t layout, int64_t position,
                                     int64_t (&offsets)[kTensors]) {
#pragma unroll
  for (int t = 0; t < kTensors; ++t) offsets[t] = layout == 0 ? position : 0;
  if (layout == 0) return;
  const auto dimensions = static_cast<int64_t>(words[layout]);
  const auto* sizes = reinterpret_cast<const int64_t*>(words + layout + 1);
  for (int64_t d = dimensions - 1; d >= 0; --d) {
    const int64_t index = position % sizes[d];
    position /= sizes[d];
#pragma unroll
    for (int t = 0; t < kTensors; ++t) offsets[t] += index * sizes[dimensions * (t + 1) + d];
  }
}

}  // namespace halfword
