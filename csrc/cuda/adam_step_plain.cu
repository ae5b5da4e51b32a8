// Kernels for parameters that are updated themselves.
#include "cuda/adam_step_kernel.cuh"

namespace halfword {

AdamLaunch plain_weight_launch(Dtype param, Dtype grad, Dtype moment) {
  switch (param) {
    case Dtype::kFloat32: return select_launch<PlainWeight<Float32>>(grad, moment);
    case Dtype::kBFloat16: return select_launch<PlainWeight<BFloat16>>(grad, moment);
    case Dtype::kFloat16: return select_launch<PlainWeight<Float16>>(grad, moment);
  }
  return nullptr;
}

}  // namespace halfword
