// The loop for any machine.
#include "cpu/simd_portable.h"
// The loop is written in the vocabulary above.
#include "cpu/silu_mul_quantize_loop.h"

namespace halfword {

SiluMulQuantizeLoop silu_mul_quantize_loop_portable(Dtype dtype) {
  return select_silu_mul_quantize_loop(dtype);
}

}  // namespace halfword
