// The Adam loop for any machine.
#include "cpu/simd_portable.h"
// The loop is written in the vocabulary above.
#include "cpu/adam_step_loop.h"

namespace halfword {

AdamLoop adam_loop_portable(Dtype param, Master master, Dtype grad, Dtype moment) {
  return select_adam_loop(param, master, grad, moment);
}

}  // namespace halfword
