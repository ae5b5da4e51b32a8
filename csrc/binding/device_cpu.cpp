// The ops of the CPU, on torch's threads.
#include "binding/device.h"
#include "binding/torch_abi.h"

namespace halfword::binding {
namespace {

// The kernels' ParallelFor (core/parallel.h).
void torch_threads(int64_t count, int64_t grain, void (*body)(int64_t, int64_t, void*),
                   void* context) {
  torch_parallel_for(0, count, grain, body, context);
}

}  // namespace

const char* const kNamespace = "halfword";
const char* const kDispatchKey = "CPU";
const bool kHostReadsTensors = true;
const int64_t kPlanNumberStep = 1;

int32_t device_type() {
  static const int32_t cpu = aoti_torch_device_type_cpu();
  return cpu;
}

void run(const AccumulateGradsParams& params, int32_t) {
  accumulate_grads_cpu(params, torch_threads);
}
void run(const AdamStepParams& params, int32_t) { adam_step_cpu(params, torch_threads); }
void run(const UnscaleCheckParams& params, int32_t) { unscale_check_cpu(params, torch_threads); }
void run(const UpdateScaleParams& params, int32_t) { update_scale_cpu(params); }

}  // namespace halfword::binding
