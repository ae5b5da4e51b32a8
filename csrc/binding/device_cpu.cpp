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
const Int8Layout kPackedLayout = Int8Layout::kPanels;
const int64_t kPlanNumberStep = 1;

int32_t device_type() {
  static const int32_t cpu = aoti_torch_device_type_cpu();
  return cpu;
}

#define HALFWORD_RUN(Params, stem) \
  void run(const Params& params, int32_t) { stem##_cpu(params, torch_threads); }
HALFWORD_EVERY_OP(HALFWORD_RUN)
#undef HALFWORD_RUN

}  // namespace halfword::binding
