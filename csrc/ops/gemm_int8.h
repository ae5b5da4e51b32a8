// The product of two int8 matrices, exact, and what usually follows it. The first one may be real
// numbers still.
//
//   acc[m, n] = sum_k (a[m, k] - zero_point_a[m]) * b[n, k]      an exact integer
//   out = what core/gemm_output.h makes of float(acc), or acc itself for int32
//
// Of real numbers a and scale_a are what quantize.h makes of their rows: symmetric, 8 bits, to
// nearest. A row with a NaN or inf has scale NaN, which makes its row of y NaN.
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

#include "core/cuda.h"
#include "core/gemm_output.h"
#include "core/parallel.h"
#include "ops/pack_int8.h"

namespace halfword {

struct GemmInt8Params : GemmOutput {
  static constexpr int64_t kExactK = 1 << 16;  // 2^16 * 255 * 128 < 2^31
  static constexpr int64_t kInt32K = 131071;   // k * 128 * 128 < 2^31

  const void* a;     // [m, k]; columns are consecutive, as in b
  bool quantizes_a;  // a is of a_dtype, without scale_a and zero_point_a; else it is int8
  Dtype a_dtype;
  int64_t a_stride;
  const int8_t* b;   // [n, k], or packed
  int64_t b_stride;  // of rows; unused where packed
  Int8Layout b_layout;
  const int32_t* b_sums;  // [n], with a zero point; null: computed
  int64_t k;
  const int32_t* zero_point_a;  // [m] or one (zero_point_stride 0), or null
  int64_t zero_point_stride;
};

void gemm_int8_cpu(const GemmInt8Params& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
size_t gemm_int8_scratch_bytes(const GemmInt8Params& params);
CudaStatus gemm_int8_cuda(const GemmInt8Params& params, void* scratch, CudaStream stream);

}  // namespace halfword
