// The product's binding for CUDA devices, compiled for tensors on the CPU: its ops, under the
// namespace halfword_softgpu, run the CUDA kernels on the software GPU. What csrc/binding/
// device_cuda.cpp asks of torch is asked of the stand-in runtime here. A kernel may touch the
// tensors of the call, each just as far as it reaches, and nothing else.
#include <cuda_runtime.h>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "binding/cuda_launch.h"
#include "binding/torch_abi.h"
#include "cudart/control.h"

namespace halfword::binding {
namespace {

char of_a_graph;          // the owner of memory that a graph uses
bool deferred = false;    // results are there after softgpu_finish_ops only
std::vector<void*> lent;  // to the device, until the work on them is done

void lend(const void* memory, int64_t elements, size_t element_size, const char* name) {
  if (memory == nullptr || elements == 0) return;
  void* const p = const_cast<void*>(memory);
  softgpu_lend(p, static_cast<uint64_t>(elements) * element_size, /*writable=*/1, name);
  lent.push_back(p);
}

// How many elements tensor `t` of the walk spans.
int64_t extent(int64_t numel, const Layout* layout, size_t t) {
  if (layout == nullptr || numel == 0) return numel;
  int64_t last = 0;
  for (size_t d = 0; d < layout->sizes.size(); ++d) {
    last += (layout->sizes[d] - 1) * layout->strides[t][d];
  }
  return last + 1;
}

void lend_all(const AccumulateGradsParams& p) {
  for (int64_t i = 0; i < p.count; ++i) {
    const AccumulateGradsTensors& t = p.tensors[i];
    lend(t.main, extent(t.numel, t.layout, 0), sizeof(float), "main_grads");
    lend(t.grad, extent(t.numel, t.layout, 1), element_size(t.dtype), "grads");
  }
}

void lend_all(const AdamStepParams& p) {
  for (int64_t i = 0; i < p.count; ++i) {
    const AdamTensors& t = p.tensors[i];
    const size_t moment = element_size(t.moment_dtype);
    const auto lend_stream = [&](const void* memory, size_t stream, size_t size, const char* name) {
      lend(memory, extent(t.numel, t.layout, stream), size, name);
    };
    lend_stream(t.param, 0, element_size(t.param_dtype), "params");
    lend_stream(t.grad, 1, element_size(t.grad_dtype), "grads");
    lend_stream(t.exp_avg, 2, moment, "exp_avgs");
    lend_stream(t.exp_avg_sq, 3, moment, "exp_avg_sqs");
    lend_stream(t.max_exp_avg_sq, 4, moment, "max_exp_avg_sqs");
    lend_stream(t.master, 5, t.kind == Master::kRemainder ? 2 : 4, "masters");
    lend_stream(t.mask, 6, 1, "masks");
    lend(t.step, 1, sizeof(float), "step");
  }
  lend(p.lr_float, 1, sizeof(float), "lr");
  lend(p.lr_double, 1, sizeof(double), "lr");
  lend(p.inv_scale, 1, sizeof(float), "inv_scale");
  lend(p.found_inf, 1, sizeof(float), "found_inf");
  lend(p.clip, 1, sizeof(float), "clip_coef");
}

void lend_all(const UnscaleCheckParams& p) {
  for (int64_t i = 0; i < p.count; ++i) {
    const UnscaleCheckTensor& t = p.tensors[i];
    lend(t.grad, extent(t.numel, t.layout, 0), element_size(t.dtype), "grads");
  }
  lend(p.inv_scale, 1, sizeof(float), "inv_scale");
  lend(p.found_inf, 1, sizeof(float), "found_inf");
  lend(p.norm, 1, sizeof(float), "norm");
}

void lend_all(const UpdateScaleParams& p) {
  lend(p.scale, 1, sizeof(float), "scale");
  lend(p.growth_tracker, 1, sizeof(int32_t), "growth_tracker");
  lend(p.found_inf, 1, sizeof(float), "found_inf");
  lend(p.hysteresis_tracker, 1, sizeof(int32_t), "hysteresis_tracker");
  lend(p.skipped, 1, sizeof(int64_t), "skipped");
}

cudaError_t finish() {
  const cudaError_t status = cudaDeviceSynchronize();
  for (void* memory : lent) softgpu_take_back(memory);
  lent.clear();
  return status;
}

int32_t current_device() {
  int device = 0;
  cudaGetDevice(&device);
  return device;
}

template <class Params>
void run_lent(const Params& params) {
  lend_all(params);
  try {
    run_on_cuda(params, current_device());
  } catch (...) {
    finish();
    throw;
  }
  if (!deferred && finish() != cudaSuccess) {
    throw std::runtime_error(std::string("softgpu: ") + softgpu_last_error());
  }
}

}  // namespace

const char* const kNamespace = "halfword_softgpu";
const char* const kDispatchKey = "CPU";
const bool kHostReadsTensors = false;
const int64_t kPlanNumberStep = -1;

int32_t device_type() { return aoti_torch_device_type_cpu(); }

void run(const AccumulateGradsParams& params, int32_t) { run_lent(params); }
void run(const AdamStepParams& params, int32_t) { run_lent(params); }
void run(const UnscaleCheckParams& params, int32_t) { run_lent(params); }
void run(const UpdateScaleParams& params, int32_t) { run_lent(params); }

CudaStream current_stream(int32_t device) {
  return static_cast<CudaStream>(softgpu_current_stream(device));
}

DeviceMemory::DeviceMemory(size_t bytes, int32_t device) : owner_(current_stream(device)) {
  if (bytes > 0 && stream_is_capturing_cuda(static_cast<CudaStream>(owner_))) {
    // As torch's pool of a graph does: there for as long as it may be replayed, which is always.
    void* const memory = std::malloc(bytes);
    softgpu_lend(memory, bytes, /*writable=*/1, "memory of a graph");
    data_ = memory;
    owner_ = &of_a_graph;
    return;
  }
  if (bytes > 0 && cudaMallocAsync(&data_, bytes, static_cast<CudaStream>(owner_)) != cudaSuccess) {
    throw std::runtime_error("softgpu: out of memory");
  }
}

DeviceMemory::~DeviceMemory() {
  if (data_ != nullptr && owner_ != &of_a_graph)
    cudaFreeAsync(data_, static_cast<CudaStream>(owner_));
}

DeviceGuard::DeviceGuard(int32_t) {}  // the device that is current is the one that is meant
DeviceGuard::~DeviceGuard() {}

}  // namespace halfword::binding

extern "C" {

// Whether ops return before their work is done, as on a real device.
__attribute__((visibility("default"))) void softgpu_defer_ops(int on) {
  halfword::binding::deferred = on != 0;
}

// Waits for the work of all ops; a cudaError_t.
__attribute__((visibility("default"))) int softgpu_finish_ops() {
  return halfword::binding::finish();
}
}
