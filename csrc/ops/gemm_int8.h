// The product of two int8 matrices, exact, and what usually follows it.
//
//   acc[m, n] = sum_k (a[m, k] - zero_point_a[m]) * b[n, k]      an exact integer
//   y   = float(acc) * scale_b[n] * scale_a[m]                   each product rounded
//   y   = y + bias[n],  then  y = y + residual[m, n]             if given
//   y   = activation(y)                                          core/activation_math.h
//   y   = y + beta * out[m, n]                                   if beta is not 0: FP32 out only
//   out = y rounded to its type once
//       | clamp(round(y * (1 / scale_out)) + zero_point_out, -128, 127) for int8
//       | acc for int32, which takes none of the above
//
// A scale that is not given is 1, and float(acc) is rounded to nearest even. All values are
// allowed, -128 too. int32 accumulation is exact up to kExactK; a longer sum is cut there and its
// parts are added in 64 bits. int32 results need k <= kInt32K (255 * 128 * k with a zero point),
// where none can overflow.
//
// Identical bits on every backend, for every tiling, split and number of threads: row m of out does
// not depend on how many rows there are. k = 0 gives acc = 0.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/activation_math.h"
#include "core/cuda.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "ops/pack_int8.h"

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

struct GemmInt8Params {
  static constexpr int64_t kExactK = 1 << 16;  // 2^16 * 255 * 128 < 2^31
  static constexpr int64_t kInt32K = 131071;   // k * 128 * 128 < 2^31

  const int8_t* a;  // [m, k]; columns are consecutive, as in b, residual and out
  int64_t a_stride;
  const int8_t* b;   // [n, k], or packed
  int64_t b_stride;  // of rows; unused where packed
  Int8Layout b_layout;
  const int32_t* b_sums;  // [n], with a zero point; null: computed
  int64_t m;
  int64_t n;
  int64_t k;
  GemmScale scale_a;
  GemmScale scale_b;
  const int32_t* zero_point_a;  // [m] or one (zero_point_stride 0), or null
  int64_t zero_point_stride;
  const void* bias;  // [n], or null
  Dtype bias_dtype;
  const void* residual;  // [m, n], or null
  Dtype residual_dtype;
  int64_t residual_stride;
  Activation activation;
  float beta;
  const float* scale_out;         // one element, with int8 out
  const int32_t* zero_point_out;  // one element, or null
  void* out;                      // [m, n]
  GemmOut out_type;
  int64_t out_stride;
};

void gemm_int8_cpu(const GemmInt8Params& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
size_t gemm_int8_scratch_bytes(const GemmInt8Params& params);
CudaStatus gemm_int8_cuda(const GemmInt8Params& params, void* scratch, CudaStream stream);

}  // namespace halfword
