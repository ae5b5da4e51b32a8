// A matrix as its codes would give it back: quantized and dequantized in one pass.
//
//   out = value(code(x)), rounded to the type of x     (core/quantize_math.h)
//
// with the blocks, scales, rounding and special blocks of quantize (ops/quantize.h), and the bits
// of dequantize(quantize(x)) of x's type. A block with a NaN or inf becomes NaN where its scale is
// computed; a zero is always +0 where the scale is positive.
//
// Identical bits on every backend. Bytes moved per element: x read once (twice where
// scales are computed: on CUDA, and where a block does not fit a cache), written once.
#pragma once

#include <cstddef>

#include "core/cuda.h"
#include "core/parallel.h"
#include "ops/quantize.h"

namespace halfword {

struct FakeQuantizeParams {
  QuantizeParams quantize;  // codes and row_sums null; zero points lie in the range of the codes
  void* out;                // [rows, cols] of x's dtype, dense
};

void fake_quantize_cpu(const FakeQuantizeParams& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
size_t fake_quantize_scratch_bytes(const FakeQuantizeParams& params);
CudaStatus fake_quantize_cuda(const FakeQuantizeParams& params, void* scratch, CudaStream stream);

}  // namespace halfword
