// What the codes of a matrix stand for.
//
//   out = (code - zero_point) * scale                        linear
//   out = sign(code) * scale * 2^(|code| - Q), 0 for 0       log2; Q = 2^(bits - 1) - 1
//
// in FP32, then rounded to nearest even in the type of out (core/quantize_math.h). Any int8 is a
// code, whatever the number of bits. A scale of NaN makes the whole block NaN.
//
// Identical bits on every backend. Bytes moved per element: 1 read, the size of out written.
#pragma once

#include <cstdint>

#include "core/blocks.h"
#include "core/cuda.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "core/quantize_math.h"

namespace halfword {

struct DequantizeParams {
  const int8_t* codes;  // [rows, cols]
  Blocks blocks;
  Mapping mapping;
  int bits;
  const float* scale;         // [blocks]
  const int32_t* zero_point;  // [blocks], or null: 0; null but for affine
  void* out;                  // [rows, cols] of dtype
  Dtype dtype;
};

void dequantize_cpu(const DequantizeParams& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
CudaStatus dequantize_cuda(const DequantizeParams& params, CudaStream stream);

}  // namespace halfword
