// What follows a product of matrices, and where it goes. The same for every GEMM:
//
//   y   = sum * scale_b[n] * scale_a[m]                  each product rounded
//   y   = y + bias[n],  then  y = y + residual[m, n]     if given
//   y   = activation(y)                                  core/activation_math.h
//   y   = y + beta * out[m, n]                           if beta is not 0: FP32 out only
//   out = y rounded to its type once
//       | clamp(round(y * (1 / scale_out)) + zero_point_out, -128, 127) for int8
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/activation_math.h"
#include "core/dtype.h"

namespace halfword {

enum class GemmOut : int32_t { kFloat32, kBFloat16, kFloat16, kInt32, kInt8 };

constexpr size_t element_size(GemmOut type) {
  return type == GemmOut::kInt8                                    ? 1
         : type == GemmOut::kBFloat16 || type == GemmOut::kFloat16 ? 2
                                                                   : 4;
}

// One value for all rows or columns, or one each.
struct GemmScale {
  const float* data = nullptr;  // null: 1
  int64_t stride = 0;           // 0 or 1
};

struct GemmOutput {
  int64_t m;
  int64_t n;
  GemmScale scale_a;
  GemmScale scale_b;
  const void* bias;  // [n], or null
  Dtype bias_dtype;
  const void* residual;  // [m, n], or null
  Dtype residual_dtype;
  int64_t residual_stride;
  Activation activation;
  float beta;
  const float* scale_out;         // one element, with int8 out
  const int32_t* zero_point_out;  // one element, or null
  void* out;                      // [m, n]; columns are consecutive, as in residual
  GemmOut out_type;
  int64_t out_stride;
};

}  // namespace halfword
