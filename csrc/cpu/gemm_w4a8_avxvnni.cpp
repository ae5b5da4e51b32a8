// Compiled with flags of its own: includes intrinsics and loops only, and calls nothing inline from
// a header that baseline code shares, or the linker could keep this copy for older machines.
#include "cpu/simd_avx2.h"

namespace halfword {
namespace {

// As asm, because gcc moves sums between registers, and to the stack, around the intrinsic.
HALFWORD_INLINE void add_products(__m256i& sum, __m256i u8, __m256i s8) {
  asm volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(u8), "x"(s8));
}

}  // namespace
}  // namespace halfword

// The kernels are written in terms of the above.
#include "cpu/gemm_w4a8_ymm.h"

namespace halfword {

const GemmW4A8Kernels gemm_w4a8_kernels_avxvnni = {0,          kPasses, 1,
                                                   pack_strip, tile,    &gemm_int8_kernels_avxvnni};

}  // namespace halfword
