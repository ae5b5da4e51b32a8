// Compiled with flags of its own: includes intrinsics and loops only, and calls nothing inline from
// a header that baseline code shares, or the linker could keep this copy for older machines.
#include "cpu/simd_avx512.h"
// The loops are written in the vocabulary above.
#include "cpu/fake_quantize_backward_loop.h"

namespace halfword {

BackwardLoops fake_quantize_backward_loops_avx512(Dtype dtype) {
  return select_backward_loops(dtype);
}

}  // namespace halfword
