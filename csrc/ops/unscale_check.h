// Over a list of gradients: is any not finite, optionally what is their norm, optionally write them
// back unscaled. One read of the gradients.
//
//   u = grad * inv_scale                  in FP32; if written, rounded to the gradient's type
//   found_inf = 1 if any u is inf or NaN  (never cleared: it may hold another list's)
//   norm = sqrt(sum u^2)                  over the whole list (overwritten)
//
// The norm is a fixed tree, so that it has the same bits on every backend and for any number of
// threads. The elements of a tensor, in the order they lie in memory if it is dense and row-major
// otherwise, are cut into tiles of kTile; in a tile, lane l of kLanes sums the squares of elements
// l, l + kLanes, ... by fma, in that order, in FP32; then lanes are added in pairs
// (l, l + 4), (l, l + 2), (l, l + 1) of each eight, and the kLanes / 8 results in halves:
// (i, i + n / 2), down to one. Tile k of the list is added, in double, to slot k mod kSlots; the
// slots are added in halves; the root is taken in double and rounded to float.
//
// A finite sum too large for FP32 gives norm = inf and leaves found_inf alone.
#pragma once

#include <cstdint>

#include "core/cuda.h"
#include "core/dtype.h"
#include "core/layout.h"
#include "core/parallel.h"
#include "core/tensor_table.h"

namespace halfword {

struct UnscaleCheckTensor {
  void* grad;  // dtype; written only if `write`
  int64_t numel;
  Dtype dtype;
  const Layout* layout;  // strides of grad, or null when it is dense
};

struct UnscaleCheckParams {
  static constexpr int64_t kLanes = 2048;
  static constexpr int64_t kTile = 4 * kLanes;
  static constexpr int64_t kSlots = 1024;

  const UnscaleCheckTensor* tensors;
  int64_t count;
  const float* inv_scale;  // one element
  float* found_inf;        // one element
  float* norm;             // one element, or null
  bool write;
};

void unscale_check_cpu(const UnscaleCheckParams& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
void unscale_check_table(const UnscaleCheckParams& params, TensorTable* table);
size_t unscale_check_scratch_bytes(const UnscaleCheckParams& params, const TensorTable& table);
CudaStatus unscale_check_cuda(const UnscaleCheckParams& params, const TensorTable& table,
                              const CudaLaunch& launch);

}  // namespace halfword
