// One kernel for a list of any mix of types: a block asks for a tile's type once.
#include "ops/accumulate_grads.h"

#include "cuda/alignment.h"
#include "cuda/elements.cuh"
#include "cuda/launch.cuh"

namespace halfword {
namespace {

constexpr int64_t kTile = 4 * kThreads * kEight;

struct Row {
  float* main;
  int64_t numel;
  int64_t layout;  // word of the table; 0: dense
  int64_t dtype;   // a Dtype
  int64_t shift;   // elements that the first vector lacks, so that the others are aligned
  int64_t main_aligned;
  int64_t grad_aligned;
};

template <class Grad>
__device__ void accumulate_tile(const Row& row, const void* grads, int64_t tile, float alpha) {
  for (int64_t i = threadIdx.x * kEight; i < kTile; i += kThreads * kEight) {
    const int64_t begin = tile * kTile + i - row.shift;
    if (begin >= row.numel) return;
    const Span span(begin, row.numel);
    const EightFloats grad = load_floats<Grad>(grads, span, row.grad_aligned);
    EightFloats main = load_floats<Float32>(row.main, span, row.main_aligned);
#pragma unroll
    for (int e = 0; e < kEight; ++e) main.v[e] = fma(F32(alpha), grad.v[e], main.v[e]);
    store_floats<Float32>(row.main, span, row.main_aligned, main);
  }
}

__device__ void accumulate_strided(const Row& row, const void* grads, const uint64_t* words,
                                   int64_t tile, float alpha) {
  const int64_t end = (tile + 1) * kTile < row.numel ? (tile + 1) * kTile : row.numel;
  for (int64_t i = tile * kTile + threadIdx.x; i < end; i += kThreads) {
    int64_t at[2];
    walk(words + row.layout, i, at);
    const F32 grad = load_element(grads, at[1], static_cast<Dtype>(row.dtype));
    row.main[at[0]] = fma(F32(alpha), grad, F32(row.main[at[0]])).v;
  }
}

struct KernelParams {
  GroupView<Row> group;
  float alpha;
};

__global__ void __launch_bounds__(kThreads) accumulate_grads_kernel(const KernelParams p) {
  const GroupView<Row>& group = p.group;
  const float alpha = p.alpha;
  for (int64_t k = blockIdx.x; k < group.tiles; k += gridDim.x) {
    const RowTile place = find_row(group.ends, group.count, k);
    const Row row = group.rows[place.row];
    const void* grads = group.grads[place.row];
    if (row.layout != 0) {
      accumulate_strided(row, grads, group.words, place.tile, alpha);
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

TensorTable accumulate_grads_table(const AccumulateGradsParams& params) {
  TensorTable table;
  std::vector<Row> rows;
  std::vector<const void*> grads;
  std::vector<int64_t> tiles;
  for (int64_t i = 0; i < params.count; ++i) {
    const AccumulateGradsTensors& t = params.tensors[i];
    const Stream streams[] = {{t.main, 4}, {t.grad, element_size(t.dtype)}};
    const Alignment alignment = align(streams);
    rows.push_back({t.main, t.numel, table.append(t.layout),
                    static_cast<int64_t>(t.dtype), alignment.shift, alignment.aligned & 1,
                    alignment.aligned >> 1 & 1});
    grads.push_back(t.grad);
    tiles.push_back(tiles_of(t.numel, alignment.shift, kTile));
  }
  table.rows = table.append(rows.data(), rows.size());
  table.append_group(0, 0, tiles);
  table.grads = table.append(grads.data(), grads.size());
  return table;
}

CudaStatus accumulate_grads_cuda(const AccumulateGradsParams& params, const TensorTable& table,
                                 const CudaLaunch& launch) {
  if (table.groups.empty()) return cudaSuccess;
  const TensorTable::Group& group = table.groups[0];
  const KernelParams p{view_of<Row>(table, group, launch.table), params.alpha};
  return launch_over_tiles<accumulate_grads_kernel>(group.tiles, launch.stream, p);
}

}  // namespace halfword
