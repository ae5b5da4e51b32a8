// RMSNorm or LayerNorm of each row, quantized: what the layer norm in front of an INT8 linear layer
// writes is a quarter to a half of what it would write otherwise.
//
//   h    = x + residual                          if given, rounded to x's type and written to sum
//   y    = h * (1 / sqrt(mean(h * h) + eps)) * weight                                        rms
//        | (h - mean(h)) * (1 / sqrt(mean((h - mean(h))^2) + eps)) * weight + bias         layer
//   codes, scale, row_sums of y                  core/row_codes.h
//
// FP32, each operation rounded, in the order written; y is not rounded to x's type. A mean of a
// row of n elements is their sum divided by n. The sum has a tree of its own: lane l of 2048 adds
// elements l, l + 2048, ... in order (a square by an fma); then each eight lanes are added in
// halves (0 + 4, 1 + 5, ...; 0 + 2, ...), then the 256 sums of the eights.
//
// A row with a NaN or inf, whose y has one, or with a second moment too large for FP32: scale NaN,
// codes 0. Without elements: scale 0.
//
// Identical bits on every backend. Bytes moved per element of a 16-bit x: 2 read, 1 written; with a
// residual 4 and 3. CUDA reads rows of more than 8192 elements again.
#pragma once

#include "core/cuda.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "core/row_codes.h"

namespace halfword {

enum class NormKind : int32_t { kRms, kLayer };

struct NormQuantizeParams {
  static constexpr int64_t kLanes = 2048;  // of the sum's tree

  const void* x;  // [rows, cols] of dtype; columns are consecutive
  int64_t row_stride;
  Dtype dtype;
  int64_t rows;
  int64_t cols;
  const void* residual;  // as x, or null
  int64_t residual_stride;
  void* sum;           // [rows, cols] of dtype; null without a residual
  const void* weight;  // [cols]
  Dtype weight_dtype;
  const void* bias;  // [cols], or null; layer only
  Dtype bias_dtype;
  float eps;
  NormKind kind;
  RowCodes out;
};

void norm_quantize_cpu(const NormQuantizeParams& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
CudaStatus norm_quantize_cuda(const NormQuantizeParams& params, CudaStream stream);

}  // namespace halfword
