// A tile a block at a time. A thread holds eight lanes of the tile, so that the first three
// additions of the norm's tree are its own; the rest goes through shared memory and the first warp.
// The sums of the tiles are added by the block that finishes last.
#include "ops/unscale_check.h"

#include "cuda/alignment.h"
#include "cuda/elements.cuh"
#include "cuda/last_block.cuh"
#include "cuda/launch.cuh"

namespace halfword {
namespace {

constexpr int64_t kTile = UnscaleCheckParams::kTile;
constexpr int64_t kLanes = UnscaleCheckParams::kLanes;
constexpr int kEight = 8;  // lanes of a thread
constexpr int kSlots = UnscaleCheckParams::kSlots;
static_assert(kLanes == kThreads * kEight && kSlots % kThreads == 0);

struct Row {
  int64_t numel;
  int64_t layout;  // word of the table; 0: dense
  int64_t dtype;   // a Dtype
  int64_t shift;   // alignment_shift: 0, or kUnaligned
};

struct KernelParams {
  GroupView<Row> group;
  const float* inv_scale;
  float* found_inf;
  float* norm;
  float* tile_sums;
  uint64_t* finished_blocks;  // 0 before and after
  bool write;
};

// What this thread saw of a tile.
struct Seen {
  float lane[kEight];  // sums of squares
  bool found_inf;
};

// u of an element, as the contract says: rounded if it is written.
template <class Format>
__device__ __forceinline__ F32 unscale(F32 grad, F32 inv_scale, bool write) {
  const F32 u = grad * inv_scale;
  return write ? Format::to_float(Format::nearest(u)) : u;
}

__device__ __forceinline__ void add_square(Seen& seen, int e, F32 u) {
  seen.found_inf |= !is_finite(u);
  seen.lane[e] = fmaf(u.v, u.v, seen.lane[e]);
}

// The last elements of a tensor, fewer than eight.
template <class Format>
__device__ __forceinline__ void see_rest(const KernelParams& p, void* grads, int64_t begin,
                                         int64_t numel, F32 inv_scale, Seen& seen) {
#pragma unroll
  for (int e = 0; e < kEight; ++e) {
    if (begin + e >= numel) return;
    const F32 grad = load_floats<Format, 1>(grads, begin + e).v[0];
    const F32 u = unscale<Format>(grad, inv_scale, p.write);
    add_square(seen, e, u);
    if (p.write) store_floats<Format, 1>(grads, begin + e, {u});
  }
}

template <class Format>
__device__ __forceinline__ void see_eight(const KernelParams& p, Floats<kEight>& grad,
                                          F32 inv_scale, Seen& seen) {
#pragma unroll
  for (int e = 0; e < kEight; ++e) {
    grad.v[e] = unscale<Format>(grad.v[e], inv_scale, p.write);
    add_square(seen, e, grad.v[e]);
  }
}

// A whole tile of a dense tensor that is aligned: all loads before the first use.
template <class Format>
__device__ __forceinline__ Seen see_whole(const KernelParams& p, void* grads, int64_t begin,
                                          F32 inv_scale) {
  constexpr int kEights = kTile / kLanes;
  Floats<kEight> grad[kEights];
#pragma unroll
  for (int i = 0; i < kEights; ++i) {
    grad[i] = load_floats<Format, kEight>(grads, begin + i * kLanes);
  }
  Seen seen{};
#pragma unroll
  for (int i = 0; i < kEights; ++i) {
    see_eight<Format>(p, grad[i], inv_scale, seen);
    if (p.write) store_floats<Format>(grads, begin + i * kLanes, grad[i]);
  }
  return seen;
}

// Any tile of a dense tensor, eight after eight.
template <class Format>
__device__ __forceinline__ Seen see_part(const KernelParams& p, const Row& row, void* grads,
                                         int64_t begin, F32 inv_scale) {
  const bool aligned = row.shift != kUnaligned;
  Seen seen{};
  int64_t first = begin;
#pragma unroll 1
  for (; first < begin + kTile && first + kEight <= row.numel; first += kLanes) {
    Floats<kEight> grad = aligned ? load_floats<Format, kEight>(grads, first)
                                  : load_floats_singly<Format, kEight>(grads, first);
    see_eight<Format>(p, grad, inv_scale, seen);
    if (!p.write) continue;
    if (aligned) {
      store_floats<Format>(grads, first, grad);
    } else {
      store_floats_singly<Format>(grads, first, grad);
    }
  }
  if (first < begin + kTile) see_rest<Format>(p, grads, first, row.numel, inv_scale, seen);
  return seen;
}

template <class Format>
__device__ __forceinline__ Seen see_dense(const KernelParams& p, const Row& row, void* grads,
                                          int64_t tile, F32 inv_scale) {
  const int64_t begin = tile * kTile + threadIdx.x * kEight;
  const bool whole = row.shift != kUnaligned && (tile + 1) * kTile <= row.numel;
  return whole ? see_whole<Format>(p, grads, begin, inv_scale)
               : see_part<Format>(p, row, grads, begin, inv_scale);
}

__device__ __forceinline__ F32 unscale_any(F32 grad, F32 inv_scale, bool write, Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat32: return unscale<Float32>(grad, inv_scale, write);
    case Dtype::kBFloat16: return unscale<BFloat16>(grad, inv_scale, write);
    case Dtype::kFloat16: return unscale<Float16>(grad, inv_scale, write);
  }
  return grad;
}

// A tile of a tensor that is not dense.
__device__ __forceinline__ Seen see_strided(const KernelParams& p, const Row& row, void* grads,
                                            int64_t tile, F32 inv_scale) {
  const auto dtype = static_cast<Dtype>(row.dtype);
  Seen seen{};
#pragma unroll 1
  for (int64_t i = 0; i < kTile; i += kLanes) {
#pragma unroll 1
    for (int lane = 0; lane < kEight; ++lane) {
      const int64_t position = tile * kTile + i + threadIdx.x * kEight + lane;
      if (position >= row.numel) return seen;
      int64_t at[1];
      walk(p.group.words, row.layout, position, at);
      const F32 u = unscale_any(load_element(grads, at[0], dtype), inv_scale, p.write, dtype);
#pragma unroll
      for (int e = 0; e < kEight; ++e) {  // an index that is not known would put lanes in memory
        if (e == lane) add_square(seen, e, u);
      }
      if (p.write) store_element(grads, at[0], dtype, u);
    }
  }
  return seen;
}

__device__ __forceinline__ Seen see(const KernelParams& p, const Row& row, void* grads,
                                    int64_t tile, F32 inv_scale) {
  if (row.layout != 0) return see_strided(p, row, grads, tile, inv_scale);
  switch (static_cast<Dtype>(row.dtype)) {
    case Dtype::kFloat32: return see_dense<Float32>(p, row, grads, tile, inv_scale);
    case Dtype::kBFloat16: return see_dense<BFloat16>(p, row, grads, tile, inv_scale);
    case Dtype::kFloat16: return see_dense<Float16>(p, row, grads, tile, inv_scale);
  }
  return {};
}

// Adds (i, i + n / 2) of the threads' values in halves; the sum is the first thread's.
__device__ __forceinline__ float add_halves(float mine, float (&sums)[kThreads]) {
  constexpr int kWarps = kThreads / kWarpSize;
  sums[threadIdx.x] = mine;
  __syncthreads();
  if (threadIdx.x >= kWarpSize) return 0.0f;
  float part[kWarps];
#pragma unroll
  for (int w = 0; w < kWarps; ++w) part[w] = sums[w * kWarpSize + threadIdx.x];
#pragma unroll
  for (int half = kWarps / 2; half > 0; half /= 2) {
#pragma unroll
    for (int w = 0; w < half; ++w) part[w] += part[w + half];
  }
  float sum = part[0];
#pragma unroll
  for (int half = kWarpSize / 2; half > 0; half /= 2) {
    sum += __shfl_down_sync(kAllLanes, sum, half);
  }
  return sum;
}

// The norm from the sums of all tiles: kSlots sums in double, then halves.
__device__ void finish_norm(const KernelParams& p) {
  constexpr int kMine = kSlots / kThreads;
  __shared__ double slots[kSlots];
  double mine[kMine] = {};
#pragma unroll 4
  for (int64_t k = 0; k < p.group.tiles; k += kSlots) {
#pragma unroll
    for (int i = 0; i < kMine; ++i) {
      const int64_t tile = k + i * kThreads + threadIdx.x;
      if (tile < p.group.tiles) mine[i] += static_cast<double>(p.tile_sums[tile]);
    }
  }
#pragma unroll
  for (int i = 0; i < kMine; ++i) slots[i * kThreads + threadIdx.x] = mine[i];
  for (int half = kSlots / 2; half > 0; half /= 2) {
    __syncthreads();
    for (int i = threadIdx.x; i < half; i += kThreads) slots[i] += slots[i + half];
  }
  if (threadIdx.x == 0) {
    *p.norm = static_cast<float>(::sqrt(slots[0]));
    *p.finished_blocks = 0;
  }
}

__global__ void __launch_bounds__(kThreads, 3) unscale_check_kernel(const KernelParams p) {
  __shared__ float sums[2][kThreads];  // of this tile and, still being read, of the one before
  const F32 inv_scale(*p.inv_scale);
  bool found_inf = false;
  int buffer = 0;
  for (int64_t k = blockIdx.x; k < p.group.tiles; k += gridDim.x, buffer ^= 1) {
    const RowTile place = find_row(p.group.ends, p.group.count, k);
    const Row row = p.group.rows[place.row];
    const Seen seen = see(p, row, p.group.grads[place.row], place.tile, inv_scale);
    found_inf |= seen.found_inf;
    if (p.norm == nullptr) continue;
    const float* l = seen.lane;
    const float eight = ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]));
    const float sum = add_halves(eight, sums[buffer]);
    if (threadIdx.x == 0) p.tile_sums[k] = sum;
  }
  if (__syncthreads_or(found_inf) && threadIdx.x == 0) atomicExch(p.found_inf, 1.0f);
  if (p.norm != nullptr && is_last_block(p.finished_blocks, gridDim.x)) finish_norm(p);
}

__global__ void zero_norm_kernel(float* norm) { *norm = 0.0f; }

}  // namespace

void unscale_check_table(const UnscaleCheckParams& params, TensorTable* table) {
  std::vector<Row> rows;
  std::vector<int64_t> tiles;
  rows.reserve(params.count);
  tiles.reserve(params.count);
  for (int64_t i = 0; i < params.count; ++i) {
    const UnscaleCheckTensor& t = params.tensors[i];
    // The lanes of the norm count from the first element: eights cannot be shifted.
    const Stream streams[] = {{t.grad, element_size(t.dtype)}};
    const int64_t shift = alignment_shift(streams, kEight, /*shiftable=*/false);
    rows.push_back({t.numel, table->append(t.layout), static_cast<int64_t>(t.dtype), shift});
    tiles.push_back(tiles_of(t.numel, 0, kTile));
  }
  table->rows = table->append(rows.data(), rows.size());
  table->append_group(0, 0, tiles);
  table->grads = static_cast<int64_t>(table->words.size());
  for (int64_t i = 0; i < params.count; ++i) table->append(&params.tensors[i].grad, 1);
}

size_t unscale_check_scratch_bytes(const UnscaleCheckParams& params, const TensorTable& table) {
  return params.norm == nullptr || table.groups.empty()
             ? 0
             : static_cast<size_t>(table.groups[0].tiles) * sizeof(float);
}

CudaStatus unscale_check_cuda(const UnscaleCheckParams& params, const TensorTable& table,
                              const CudaLaunch& launch) {
  if (table.groups.empty()) {
    if (params.norm != nullptr) zero_norm_kernel<<<1, 1, 0, launch.stream>>>(params.norm);
    return cudaGetLastError();
  }
  const TensorTable::Group& group = table.groups[0];
  const KernelParams p{
      view_of<Row>(table, group, launch.table), params.inv_scale, params.found_inf, params.norm,
      static_cast<float*>(launch.scratch),      launch.table,     params.write};
  return launch_over_tiles<unscale_check_kernel>(group.tiles, launch.stream, p);
}

}  // namespace halfword
