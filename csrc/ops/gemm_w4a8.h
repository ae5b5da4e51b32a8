// The product of int8 activations and 4-bit weights, and what usually follows it.
//
//   acc[g] = sum over k of group g of a[m, k] * (code[n, k] - zero_point[n, g])   an exact integer
//   sum    = fma(float(acc[g]), scale[n, g], sum)       from 0 on, for one group after the other
//   with offsets, where a zero point counts as 0:
//   sum    = fma(float(sum of a[m, k] of group g), offset[n, g], sum)     right after each group
//   out    = what core/gemm_output.h makes of sum
//
// A group longer than kExactK columns is cut there, and each part is a group of that scale. Scales
// are FP32 before they are used; float(acc) is rounded to nearest even. Negative scales are legal;
// a NaN scale makes its column NaN.
//
// a is int8 codes with scale_a; or floats, whose rows are quantized first as ops/quantize.h does it
// (symmetric, 8 bits, nearest), and scale_a is theirs.
//
// Identical bits on every backend, for every tiling and number of threads: row m of out does not
// depend on how many rows there are. k = 0 gives sum = 0.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/cuda.h"
#include "core/gemm_output.h"
#include "core/int4.h"
#include "core/parallel.h"

namespace halfword {

struct GemmW4A8Params : GemmOutput {
  static constexpr int64_t kExactK = 1 << 16;  // 2^16 * 16 * 128 < 2^31

  const void* a;  // [m, k]; columns are consecutive
  bool a_is_codes;
  Dtype a_dtype;  // where it is no codes
  int64_t a_stride;
  Int4Matrix b;
};

void gemm_w4a8_cpu(const GemmW4A8Params& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
size_t gemm_w4a8_scratch_bytes(const GemmW4A8Params& params);
CudaStatus gemm_w4a8_cuda(const GemmW4A8Params& params, void* scratch, CudaStream stream);

}  // namespace halfword
