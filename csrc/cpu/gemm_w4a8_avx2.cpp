// Compiled with flags of its own: includes intrinsics and loops only, and calls nothing inline from
// a header that baseline code shares, or the linker could keep this copy for older machines.
//
// A sum of two products of nibbles and codes fits 16 bits: vpmaddubsw does not saturate.
#include "cpu/simd_avx2.h"

namespace halfword {
namespace {

alignas(32) constexpr int16_t kOnes[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

// As asm, because gcc moves sums between registers, and to the stack, around the intrinsics.
HALFWORD_INLINE void add_products(__m256i& sum, __m256i u8, __m256i s8) {
  __m256i pairs;
  asm volatile("vpmaddubsw %3, %2, %1\n\tvpmaddwd %4, %1, %1\n\tvpaddd %1, %0, %0"
               : "+x"(sum), "=&x"(pairs)
               : "x"(u8), "x"(s8), "m"(kOnes));
}

}  // namespace
}  // namespace halfword

// The kernels are written in terms of the above.
#include "cpu/gemm_w4a8_ymm.h"

namespace halfword {

const GemmW4A8Kernels gemm_w4a8_kernels_avx2 = {0,          kPasses, 1,
                                                pack_strip, tile,    &gemm_int8_kernels_avx2};

}  // namespace halfword
