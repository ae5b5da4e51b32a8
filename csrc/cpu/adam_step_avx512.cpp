// Compiled with flags of its own: includes intrinsics and loops only, and calls nothing inline from
// a header that baseline code shares, or the linker could keep this copy for older machines.
#include "cpu/simd_avx512.h"
// The loop is written in the vocabulary above.
#include "cpu/adam_step_loop.h"

namespace halfword {

AdamLoop adam_loop_avx512(Dtype param, Master master, Dtype grad, Dtype moment) {
  return select_adam_loop(param, master, grad, moment);
}

}  // namespace halfword
