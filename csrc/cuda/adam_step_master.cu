// Kernels for 16-bit parameters with FP32 masters.
#include "cuda/adam_step_kernel.cuh"

namespace halfword {

AdamLaunch master_weight_launch(Dtype param, Dtype grad, Dtype moment) {
  return param == Dtype::kBFloat16 ? select_launch<MasterWeight<BFloat16>>(grad, moment)
                                   : select_launch<MasterWeight<Float16>>(grad, moment);
}

}  // namespace halfword
