// From integer sums to elements of out, eight of a row at a time, as the contract says.
#pragma once

#include <type_traits>

#include "cuda/gemm_int8_launch.h"
#include "cuda/gemm_output.cuh"

namespace halfword {

// Columns, and the sums of b's rows that a zero point of a is multiplied with.
template <int kWidth, class Sum>
struct GemmInt8Columns : GemmColumns<kWidth> {
  Sum sum[8];

  __device__ GemmInt8Columns(const GemmFinish& finish, int64_t segment, int lane)
      : GemmColumns<kWidth>(finish.gemm, segment, lane) {
    const GemmInt8Params& p = finish.gemm;
#pragma unroll
    for (int e = 0; e < 8; ++e) {
      sum[e] = 0;
      if (p.zero_point_a == nullptr || e % 4 >= this->count[e / 4]) continue;
      const int64_t n = this->first[e / 4] + e % 4;
      sum[e] = static_cast<Sum>(finish.sums != nullptr ? finish.sums[n] : p.b_sums[n]);
    }
  }
};

// Row m of out in these columns, from sums of products. Where they are exact in 32 bits all is done
// in 32, so that a zero point that no int8 has wraps the same way for every split.
template <int kWidth, class Sum>
__device__ __forceinline__ void gemm_finish(const GemmFinish& finish, int64_t m,
                                            const GemmInt8Columns<kWidth, Sum>& columns,
                                            Sum (&acc)[8]) {
  const GemmInt8Params& p = finish.gemm;
  using Wrapping = std::make_unsigned_t<Sum>;
  if (p.zero_point_a != nullptr) {
    const auto zero_point = static_cast<Sum>(p.zero_point_a[m * p.zero_point_stride]);
#pragma unroll
    for (int e = 0; e < 8; ++e) {
      acc[e] = static_cast<Sum>(static_cast<Wrapping>(acc[e]) -
                                static_cast<Wrapping>(zero_point) *
                                    static_cast<Wrapping>(columns.sum[e]));
      if (p.k <= GemmInt8Params::kExactK) acc[e] = static_cast<int32_t>(acc[e]);
    }
  }
  if (p.out_type == GemmOut::kInt32) {
    uint32_t words[8];
#pragma unroll
    for (int e = 0; e < 8; ++e) words[e] = static_cast<uint32_t>(acc[e]);
    store_eight(p.out, m * p.out_stride, columns, finish.packs.out, words);
    return;
  }
  F32 y[8];
#pragma unroll
  for (int e = 0; e < 8; ++e) y[e] = F32(static_cast<float>(acc[e]));
  gemm_finish(p, finish.packs, m, columns, y);
}

}  // namespace halfword
