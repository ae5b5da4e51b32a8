// The loops for any machine.
#include "cpu/simd_portable.h"
// The loops are written in the vocabulary above.
#include "cpu/quantize_dual_loop.h"

namespace halfword {

QuantizeDualLoops quantize_dual_loops_portable(const QuantizeDualParams& params) {
  return select_quantize_dual_loops(params);
}

}  // namespace halfword
