// Kernels for bfloat16 parameters with 16-bit remainders.
#include "cuda/adam_step_kernel.cuh"

namespace halfword {

AdamLaunch remainder_weight_launch(Dtype grad, Dtype moment) {
  return select_launch<RemainderWeight>(grad, moment);
}

}  // namespace halfword
