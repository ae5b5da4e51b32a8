// Compiled with flags of its own: includes intrinsics and loops only, and calls nothing inline from
// a header that baseline code shares, or the linker could keep this copy for older machines.
#include "cpu/simd_avx2.h"
// The loops are written in the vocabulary above.
#include "cpu/quantize_dual_loop.h"

namespace halfword {

QuantizeDualLoops quantize_dual_loops_avx2(const QuantizeDualParams& params) {
  return select_quantize_dual_loops(params);
}

}  // namespace halfword
