// One kernel for a list of any mix of types: a block asks for a tile's type once.
#include "ops/accumulate_grads.h"

#include "cuda/alignment.h"
#include "cuda/elements.cuh"
#include "cuda/launch.cuh"

namespace halfword {
namespace {

constexpr int kPack = 4;  // FP32 elements in 16 bytes
constexpr int64_t kTile = 8 * kThreads * kPack;

struct Row {
  float* main;
  int64_t numel;
  int64_t layout;  // word of the table; 0: dense
  int64_t dtype;   // a Dtype
  int64_t shift;   // alignment_shift
};

struct KernelParams {
  GroupView<Row> group;
  float alpha;
};

template <class Grad, int kCount>
__device__ __forceinline__ void accumulate(float* main, const void* grads, int64_t i, F32 alpha) {
  const auto grad = load_floats<Grad, kCount>(grads, i);
  auto sum = load_floats<Float32, kCount>(main, i);
#pragma unroll
  for (int e = 0; e < kCount; ++e) sum.v[e] = fma(alpha, grad.v[e], sum.v[e]);
  store_floats<Float32>(main, i, sum);
}

template <class Grad>
__device__ __forceinline__ void accumulate_tile(const Row& row, const void* grads, int64_t tile,
                                                F32 alpha) {
#pragma unroll 2
  for (int64_t i = threadIdx.x * kPack; i < kTile; i += kThreads * kPack) {
    for_elements<kPack>(
        tile * kTile + i - row.shift, row.numel,
        [&](int64_t at) { accumulate<Grad, kPack>(row.main, grads, at, alpha); },
        [&](int64_t at) { accumulate<Grad, 1>(row.main, grads, at, alpha); });
  }
}

// Element by element, neighbours by neighbouring threads.
__device__ __forceinline__ void accumulate_scattered(const Row& row, const void* grads,
                                                     const uint64_t* words, int64_t tile,
                                                     F32 alpha) {
  const int64_t end = (tile + 1) * kTile < row.numel ? (tile + 1) * kTile : row.numel;
  for (int64_t i = tile * kTile + threadIdx.x; i < end; i += kThreads) {
    int64_t at[2];
    walk(words, row.layout, i, at);
    const F32 grad = load_element(grads, at[1], static_cast<Dtype>(row.dtype));
    const F32 sum = load_element(row.main, at[0], Dtype::kFloat32);
    store_element(row.main, at[0], Dtype::kFloat32, fma(alpha, grad, sum));
  }
}

__global__ void __launch_bounds__(kThreads) accumulate_grads_kernel(const KernelParams p) {
  const F32 alpha(p.alpha);
  for (int64_t k = blockIdx.x; k < p.group.tiles; k += gridDim.x) {
    const RowTile place = find_row(p.group.ends, p.group.count, k);
    const Row row = p.group.rows[place.row];
    const void* grads = p.group.grads[place.row];
    if (row.layout != 0 || row.shift == kUnaligned) {
      accumulate_scattered(row, grads, p.group.words, place.tile, alpha);
      continue;
    }
    switch (static_cast<Dtype>(row.dtype)) {
      case Dtype::kFloat32: accumulate_tile<Float32>(row, grads, place.tile, alpha); break;
      case Dtype::kBFloat16: accumulate_tile<BFloat16>(row, grads, place.tile, alpha); break;
      case Dtype::kFloat16: accumulate_tile<Float16>(row, grads, place.tile, alpha); break;
    }
  }
}

}  // namespace

void accumulate_grads_table(const AccumulateGradsParams& params, TensorTable* table) {
  std::vector<Row> rows;
  std::vector<int64_t> tiles;
  rows.reserve(params.count);
  tiles.reserve(params.count);
  for (int64_t i = 0; i < params.count; ++i) {
    const AccumulateGradsTensors& t = params.tensors[i];
    const Stream streams[] = {{t.main, 4}, {t.grad, element_size(t.dtype)}};
    const int64_t shift = alignment_shift(streams, kPack);
    rows.push_back(
        {t.main, t.numel, table->append(t.layout), static_cast<int64_t>(t.dtype), shift});
    tiles.push_back(tiles_of(t.numel, shift, kTile));
  }
  table->rows = table->append(rows.data(), rows.size());
  table->append_group(0, 0, tiles);
  table->grads = static_cast<int64_t>(table->words.size());
  for (int64_t i = 0; i < params.count; ++i) table->append(&params.tensors[i].grad, 1);
}

CudaStatus accumulate_grads_cuda(const AccumulateGradsParams& params, const TensorTable& table,
                                 const CudaLaunch& launch) {
  if (table.groups.empty()) return cudaSuccess;
  const TensorTable::Group& group = table.groups[0];
  const KernelParams p{view_of<Row>(table, group, launch.table), params.alpha};
  return launch_over_tiles<accumulate_grads_kernel>(group.tiles, launch.stream, p);
}

}  // namespace halfword
