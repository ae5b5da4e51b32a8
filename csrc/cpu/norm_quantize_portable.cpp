// The loop for any machine.
#include "cpu/simd_portable.h"
// The loop is written in the vocabulary above.
#include "cpu/norm_quantize_loop.h"

namespace halfword {

NormQuantizeLoop norm_quantize_loop_portable(Dtype dtype) {
  return select_norm_quantize_loop(dtype);
}

}  // namespace halfword
