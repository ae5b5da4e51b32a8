// From integer sums to elements of out, eight of a row at a time, as the contract says.
#pragma once

#include "cuda/gemm_int8_launch.h"
#include "cuda/gemm_output.cuh"

namespace halfword {

// Four sums of row m, at columns n and after, of which `count` exist: less what the zero point
// adds, and as the bits of floats, unless the results are int32. Sums that are exact in 32 bits
// stay there, so that a zero point that no int8 has wraps the same way on every backend.
__device__ __forceinline__ void integer_finish(const GemmFinish& finish, int64_t m, int64_t n,
                                               int count, int64_t (&acc)[4], uint32_t* words) {
  const GemmInt8Params& p = finish.gemm;
  if (p.zero_point_a != nullptr) {
    const auto zero_point = static_cast<uint64_t>(p.zero_point_a[m * p.zero_point_stride]);
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      if (e >= count) continue;
      acc[e] -= zero_point * (finish.sums != nullptr ? finish.sums[n + e] : p.b_sums[n + e]);
    }
  }
  const bool is_narrow = p.k <= GemmInt8Params::kExactK;
#pragma unroll
  for (int e = 0; e < 4; ++e) {
    words[e] = static_cast<uint32_t>(acc[e]);
    if (p.out_type == GemmOut::kInt32) continue;
    words[e] = __float_as_uint(is_narrow ? static_cast<float>(static_cast<int32_t>(words[e]))
                                         : static_cast<float>(acc[e]));
  }
}

// Row m of out in these columns, from the words of integer_finish.
template <int kWidth>
__device__ __forceinline__ void gemm_finish(const GemmFinish& finish, int64_t m,
                                            const GemmColumns<kWidth>& columns,
                                            const uint32_t (&words)[8]) {
  const GemmInt8Params& p = finish.gemm;
  if (p.out_type == GemmOut::kInt32) {
    store_eight(p.out, m * p.out_stride, columns, finish.packs.out, words);
    return;
  }
  F32 y[8];
#pragma unroll
  for (int e = 0; e < 8; ++e) y[e] = F32(__uint_as_float(words[e]));
  gemm_finish(p, finish.packs, m, columns, y);
}

}  // namespace halfword
