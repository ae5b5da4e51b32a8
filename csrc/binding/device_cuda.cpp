// The ops of CUDA devices: torch's current stream, memory of torch's caching allocator.
#include <stdexcept>
#include <string>

#include "binding/cuda_launch.h"
#include "binding/torch_abi.h"

namespace halfword::binding {

const char* const kNamespace = "halfword";
const char* const kDispatchKey = "CUDA";
const bool kHostReadsTensors = false;
const Int8Layout kPackedLayout = Int8Layout::kPitched;
const int64_t kPlanNumberStep = -1;

int32_t device_type() {
  static const int32_t cuda = aoti_torch_device_type_cuda();
  return cuda;
}

#define HALFWORD_RUN(Params, stem) \
  void run(const Params& params, int32_t device) { run_on_cuda(params, device); }
HALFWORD_EVERY_OP(HALFWORD_RUN)
#undef HALFWORD_RUN

CudaStream current_stream(int32_t device) {
  void* stream = nullptr;
  if (aoti_torch_get_current_cuda_stream == nullptr ||
      aoti_torch_get_current_cuda_stream(device, &stream) != 0) {
    throw std::runtime_error("halfword: this torch gives no CUDA stream");
  }
  return static_cast<CudaStream>(stream);
}

DeviceMemory::DeviceMemory(size_t bytes, int32_t device) {
  if (bytes == 0) return;
  const auto size = static_cast<int64_t>(bytes);
  const int64_t stride = 1;
  AtenTensorHandle tensor = nullptr;
  if (aoti_torch_empty_strided(1, &size, &stride, aoti_torch_dtype_uint8(), device_type(), device,
                               &tensor) != 0) {
    throw std::runtime_error("halfword: torch could not allocate " + std::to_string(bytes) +
                             " bytes on cuda:" + std::to_string(device));
  }
  owner_ = tensor;
  torch_get_mutable_data_ptr(tensor, &data_);
}

DeviceMemory::~DeviceMemory() {
  if (owner_ != nullptr) aoti_torch_delete_tensor_object(static_cast<AtenTensorHandle>(owner_));
}

// torch's: going back to a device that nobody has used yet would make a context there.
DeviceGuard::DeviceGuard(int32_t device) {
  CUDAGuardHandle guard = nullptr;
  if (aoti_torch_create_cuda_guard == nullptr ||
      aoti_torch_create_cuda_guard(device, &guard) != 0) {
    throw std::runtime_error("halfword: torch could not choose cuda:" + std::to_string(device));
  }
  guard_ = guard;
}

DeviceGuard::~DeviceGuard() { aoti_torch_delete_cuda_guard(static_cast<CUDAGuardHandle>(guard_)); }

}  // namespace halfword::binding
