// The gradient loops for any machine.
#include "cpu/simd_portable.h"
// The loops are written in the vocabulary above.
#include "cpu/fake_quantize_backward_loop.h"

namespace halfword {

BackwardLoops fake_quantize_backward_loops_portable(Dtype dtype) {
  return select_backward_loops(dtype);
}

}  // namespace halfword
