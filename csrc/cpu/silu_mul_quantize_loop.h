// The gated product of a row, kept in FP32 in a core's cache until its scale is known, written once
// for every instruction set and type. Include after one of the simd_*.h headers.
#pragma once

#include "core/activation_math.h"
#include "cpu/row_codes_loop.h"
#include "cpu/silu_mul_quantize_run.h"

namespace halfword {
namespace {

template <class Element>
void silu_mul_quantize_loop(const SiluMulQuantizeParams& p, int64_t begin, int64_t end, float* y) {
  for (int64_t row = begin; row < end; ++row) {
    const void* gate = matrix_row<Element>(p.gate, p.gate_stride, row);
    const void* up = matrix_row<Element>(p.up, p.up_stride, row);
    U32 largest(0u);
    for (int64_t i = 0; i < p.cols; i += kLanes) {
      const F32 product =
          silu(load_part<Element>(gate, i, p.cols)) * load_part<Element>(up, i, p.cols);
      store_floats(y + i, product);
      largest = maximum(largest, bits(magnitude(product)));
    }
    write_row_codes(p.out, row, y, p.cols, largest);
  }
}

HALFWORD_INLINE SiluMulQuantizeLoop select_silu_mul_quantize_loop(Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat32: return silu_mul_quantize_loop<Float32>;
    case Dtype::kBFloat16: return silu_mul_quantize_loop<BFloat16>;
    case Dtype::kFloat16: return silu_mul_quantize_loop<Float16>;
  }
  return nullptr;
}

}  // namespace
}  // namespace halfword
