// The product of floating activations and 4-bit weights, and what usually follows it.
//
//   acc[g] = sum over k of group g of a[m, k] * (code[n, k] - zero_point[n, g])
//   sum    = sum over g of acc[g] * scale[n, g]
//   with offsets, where a zero point counts as 0:
//   sum    = ... + (sum of a[m, k] of group g) * offset[n, g]
//   out    = what core/gemm_output.h makes of sum
//
// Activations are FP32, BF16 or FP16 and lose nothing, and a difference of codes is exact in 16
// bits: only FP32 sums are rounded. With G groups
//
//   |error of sum| <= (k + 2 G) * 2^-23 * (sum over k of |a| * |value|)
//                     + k * 2^-121 * max(|scale|, |offset|) + G * 2^-125
//
// With offsets the magnitudes are those of the two terms. A product of k takes at most two
// roundings to nearest, or one that cuts off as tensor cores do, in an order that is free. The last
// line is what is lost where activations, sums over a group or their products with a scale are
// less than 2^-126 and count as 0, as they do for dot products of BF16 and may elsewhere: such an
// activation is multiplied by up to 16. A sum over a group that leaves FP32 is infinite.
//
// Deterministic: the order of the sums is fixed for a backend by k and the group alone, so row m of
// out does not depend on how many rows there are, nor on threads. Bits differ between backends.
// k = 0 gives sum = 0.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/cuda.h"
#include "core/gemm_output.h"
#include "core/int4.h"
#include "core/parallel.h"

namespace halfword {

struct GemmW4A16Params : GemmOutput {
  const void* a;  // [m, k]; columns are consecutive
  Dtype a_dtype;
  int64_t a_stride;
  Int4Matrix b;
};

void gemm_w4a16_cpu(const GemmW4A16Params& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
size_t gemm_w4a16_scratch_bytes(const GemmW4A16Params& params);
CudaStatus gemm_w4a16_cuda(const GemmW4A16Params& params, void* scratch, CudaStream stream);

}  // namespace halfword
