// The norm of a row, kept in FP32 in a core's cache from the first read to its codes, written once
// for every instruction set and type. Include after one of the simd_*.h headers.
#pragma once

#include "core/norm_math.h"
#include "cpu/lane_sum.h"
#include "cpu/norm_quantize_run.h"
#include "cpu/row_codes_loop.h"

namespace halfword {
namespace {

template <class Element>
HALFWORD_INLINE void widen_row(const void* from, int64_t cols, float* to) {
  for (int64_t i = 0; i < cols; i += kLanes)
    store_floats(to + i, load_part<Element>(from, i, cols));
}

// A weight as FP32, once for all rows.
HALFWORD_INLINE void widen_weight(const void* from, Dtype dtype, int64_t cols, float* to) {
  switch (dtype) {
    case Dtype::kFloat32: return widen_row<Float32>(from, cols, to);
    case Dtype::kBFloat16: return widen_row<BFloat16>(from, cols, to);
    case Dtype::kFloat16: return widen_row<Float16>(from, cols, to);
  }
}

struct NormScratch {
  float* row;  // h, then y
  float* weight;
  float* bias;  // null: none
};

template <class Element>
struct NormRow {
  const NormQuantizeParams& p;
  const NormScratch& scratch;
  LaneSum& lanes;
  int64_t row;

  HALFWORD_INLINE float mean() {
    int64_t padded = 0;
    while (padded < p.cols) padded += kLanes;
    return lanes.total(padded) / static_cast<float>(p.cols);
  }

  HALFWORD_INLINE F32 add_residual(int64_t i, F32 x) {
    const void* residual = matrix_row<Element>(p.residual, p.residual_stride, row);
    const F32 h = Element::round(x + load_part<Element>(residual, i, p.cols));
    auto* sum = static_cast<typename Element::Word*>(p.sum) + row * p.cols;
    store_part<Element>(sum, i, p.cols, h);
    return h;
  }

  // h, and the mean of its elements or their squares.
  HALFWORD_INLINE float load() {
    const void* x = matrix_row<Element>(p.x, p.row_stride, row);
    for (int64_t i = 0; i < p.cols; i += kLanes) {
      F32 h = load_part<Element>(x, i, p.cols);
      if (p.residual != nullptr) h = add_residual(i, h);
      store_floats(scratch.row + i, h);
      if (p.kind == NormKind::kLayer) {
        lanes.add(i, h);
      } else {
        lanes.add_square(i, h);
      }
    }
    return mean();
  }

  // The mean of (h - center)^2.
  HALFWORD_INLINE float variance(float center) {
    // What stands past the end adds 0.
    for (int64_t i = p.cols; i < norm_row_floats(p.cols); ++i) scratch.row[i] = center;
    for (int64_t i = 0; i < p.cols; i += kLanes) {
      lanes.add_square(i, load_floats(scratch.row + i) - F32(center));
    }
    return mean();
  }

  // h becomes y; the bits of the largest magnitudes.
  HALFWORD_INLINE U32 normalize(float center, float inv_deviation) {
    U32 largest(0u);
    for (int64_t i = 0; i < p.cols; i += kLanes) {
      F32 y = normed(load_floats(scratch.row + i), F32(center), F32(inv_deviation),
                     load_floats(scratch.weight + i));
      if (scratch.bias != nullptr) y = y + load_floats(scratch.bias + i);
      store_floats(scratch.row + i, y);
      largest = maximum(largest, bits(magnitude(y)));
    }
    return largest;
  }

  HALFWORD_INLINE void quantize() {
    float center = 0.0f;  // minus 0 changes nothing
    float second = load();
    if (p.kind == NormKind::kLayer) {
      center = second;
      second = variance(center);
    }
    const float inv = inverse_deviation(__builtin_sqrtf(second + p.eps));
    write_row_codes(p.out, row, scratch.row, p.cols, normalize(center, inv));
  }
};

template <class Element>
void norm_quantize_loop(const NormQuantizeParams& p, int64_t begin, int64_t end, float* floats) {
  const int64_t length = norm_row_floats(p.cols);
  NormScratch scratch{floats, floats + length, nullptr};
  widen_weight(p.weight, p.weight_dtype, p.cols, scratch.weight);
  if (p.bias != nullptr) {
    scratch.bias = floats + 2 * length;
    widen_weight(p.bias, p.bias_dtype, p.cols, scratch.bias);
  }
  LaneSum lanes;
  for (int64_t row = begin; row < end; ++row) {
    NormRow<Element>{p, scratch, lanes, row}.quantize();
  }
}

HALFWORD_INLINE NormQuantizeLoop select_norm_quantize_loop(Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat32: return norm_quantize_loop<Float32>;
    case Dtype::kBFloat16: return norm_quantize_loop<BFloat16>;
    case Dtype::kFloat16: return norm_quantize_loop<Float16>;
  }
  return nullptr;
}

}  // namespace
}  // namespace halfword
