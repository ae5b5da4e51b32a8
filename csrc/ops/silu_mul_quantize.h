// The gated product of an MLP, quantized by rows.
//
//   y = silu(gate) * up                          core/activation_math.h; FP32, not rounded further
//   codes, scale, row_sums of y                  core/row_codes.h
//
// A row whose y has a NaN or inf: scale NaN, codes 0. Without elements: scale 0.
//
// Identical bits on every backend. Bytes moved per element of 16-bit types: 4 read, 1 written. CUDA
// reads rows of more than 8192 elements again.
#pragma once

#include "core/cuda.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "core/row_codes.h"

namespace halfword {

struct SiluMulQuantizeParams {
  const void* gate;  // [rows, cols] of dtype; columns are consecutive
  int64_t gate_stride;
  const void* up;  // the same; both may be halves of one matrix
  int64_t up_stride;
  Dtype dtype;
  int64_t rows;
  int64_t cols;
  RowCodes out;
};

void silu_mul_quantize_cpu(const SiluMulQuantizeParams& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
CudaStatus silu_mul_quantize_cuda(const SiluMulQuantizeParams& params, CudaStream stream);

}  // namespace halfword
