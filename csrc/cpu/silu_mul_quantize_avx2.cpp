// Compiled with flags of its own: includes intrinsics and loops only, and calls nothing inline from
// a header that baseline code shares, or the linker could keep this copy for older machines.
#include "cpu/simd_avx2.h"
// The loop is written in the vocabulary above.
#include "cpu/silu_mul_quantize_loop.h"

namespace halfword {

SiluMulQuantizeLoop silu_mul_quantize_loop_avx2(Dtype dtype) {
  return select_silu_mul_quantize_loop(dtype);
}

}  // namespace halfword
