// Dense tiles go to the loop as they lie; last elements and unequal strides through a dense
// scratch.
#include "ops/accumulate_grads.h"

#include "core/cpu_isa.h"
#include "cpu/accumulate_grads_run.h"
#include "cpu/gather.h"
#include "cpu/tiles.h"

namespace halfword {
namespace {

constexpr int64_t kTile = 1 << 14;
constexpr int64_t kScratch = 256;

AccumulateGradsLoop choose_loop(Dtype dtype) {
  static constexpr IsaTable<decltype(&accumulate_grads_loop_portable)> kLoops =
      HALFWORD_ISA_TABLE(accumulate_grads_loop);
  return kLoops.pick()(dtype);
}

// A row of `count` elements at most kScratch long, of any strides.
void run_row(const AccumulateGradsTensors& t, float* main, int64_t main_stride, const char* grad,
             int64_t grad_stride, int64_t count, float alpha) {
  const size_t size = element_size(t.dtype);
  alignas(64) float dense_main[kScratch] = {};
  alignas(64) char dense_grad[kScratch * 4] = {};
  copy_elements(dense_main, 1, main, main_stride, count, 4);
  copy_elements(dense_grad, 1, grad, grad_stride, count, size);
  choose_loop(t.dtype)(dense_main, dense_grad, round_up_to_vectors(count), alpha);
  copy_elements(main, main_stride, dense_main, 1, count, 4);
}

void run_tile(const AccumulateGradsTensors& t, const Tile& tile, float alpha) {
  const size_t size = element_size(t.dtype);
  const char* grad = static_cast<const char*>(t.grad);
  if (t.layout == nullptr) {
    const int64_t count = tile.end - tile.begin;
    const int64_t whole = count / kVectorMultiple * kVectorMultiple;
    float* main = t.main + tile.begin;
    grad = advance(t.grad, tile.begin, size);
    choose_loop(t.dtype)(main, grad, whole, alpha);
    if (whole < count) {
      run_row(t, main + whole, 1, advance(grad, whole, size), 1, count - whole, alpha);
    }
    return;
  }
  for_each_row(*t.layout, tile.begin, tile.end, [&](const int64_t* offsets, int64_t length) {
    const int64_t main_stride = t.layout->strides[0].back();
    const int64_t grad_stride = t.layout->strides[1].back();
    for (int64_t i = 0; i < length; i += kScratch) {
      run_row(t, t.main + offsets[0] + i * main_stride, main_stride,
              advance(grad, offsets[1] + i * grad_stride, size), grad_stride,
              std::min(kScratch, length - i), alpha);
    }
  });
}

}  // namespace

void accumulate_grads_cpu(const AccumulateGradsParams& params, ParallelFor parallel) {
  const TileList tiles(params.count, kTile, [&](int64_t i) { return params.tensors[i].numel; });
  tiles.parallel_for_each(parallel, [&](int64_t, const Tile& tile) {
    run_tile(params.tensors[tile.tensor], tile, params.alpha);
  });
}

}  // namespace halfword
