// FP32 activations as BF16 terms, which have the same exponents: eight bits of a significand of 24
// in each, so that nothing is lost. Only below 2^-110 the last term has no bits left for it.
#include "cuda/elements.cuh"
#include "cuda/gemm_w4a16_launch.h"
#include "cuda/launch.cuh"

namespace halfword {
namespace {

constexpr int kTerms = 3;
constexpr int kColumns = 8;  // of a thread: 16 bytes of each term

// The upper half of x. All of a NaN and of an infinity is in it: what else there is of them is 0.
__device__ __forceinline__ uint32_t upper(F32 x) {
  return is_nan(x) ? 0x7fc00000u : bits(x).v & 0xffff0000u;
}

__global__ void __launch_bounds__(kThreads) gemm_w4a16_terms_kernel(const GemmW4A16Terms p) {
  const int64_t chunks = p.pitch / (kColumns * int64_t{sizeof(uint16_t)});
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < p.m * chunks;
       i += gridDim.x * int64_t{kThreads}) {
    const int64_t row = i / chunks, column = i % chunks * kColumns;
    F32 rest[kColumns];
#pragma unroll
    for (int e = 0; e < kColumns; ++e) {
      rest[e] = F32(column + e < p.k ? in_global<const float>(p.from)[row * p.stride + column + e]
                                     : 0.0f);
    }
#pragma unroll
    for (int term = 0; term < kTerms; ++term) {
      Pack<uint16_t, kColumns> pack;
#pragma unroll
      for (int e = 0; e < kColumns; ++e) {
        const uint32_t part = upper(rest[e]);
        pack.append(e, static_cast<uint16_t>(part >> 16));
        rest[e] = is_finite(rest[e]) ? rest[e] - from_bits<F32>(part) : F32(0.0f);
      }
      store_words(p.to + term * p.term_stride + row * p.pitch, column, pack);
    }
  }
}

}  // namespace

cudaError_t launch_gemm_w4a16_terms(const GemmW4A16Terms& terms, cudaStream_t stream) {
  constexpr int64_t kMostBlocks = 1 << 16;
  const int64_t blocks = divide_up(terms.m * (terms.pitch / 16), kThreads);
  if (blocks == 0) return cudaSuccess;
  const auto grid = static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks);
  gemm_w4a16_terms_kernel<<<grid, kThreads, 0, stream>>>(terms);
  return cudaGetLastError();
}

}  // namespace halfword
