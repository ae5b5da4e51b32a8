// The device that is current, and whether it can run our kernels.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>

#include "core/cuda.h"

namespace halfword {

bool stream_is_capturing_cuda(CudaStream stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  if (cudaStreamIsCapturing(stream, &status) == cudaSuccess) {
    return status != cudaStreamCaptureStatusNone;
  }
  (void)cudaGetLastError();
  return false;
}

const char* device_problem_cuda() {
  constexpr int kOldest = 8;  // compute capability 8.0
  // A runtime works with any driver of its major version; 32 KiB of kernel arguments need
  // CUDA 12.1.
  constexpr int kOldestDriver = std::max(CUDART_VERSION / 1000 * 1000, 12010);
  static thread_local char text[256];
  int driver = 0;
  cudaDriverGetVersion(&driver);
  int device = 0;
  const cudaError_t status = cudaGetDevice(&device);
  if (status == cudaErrorInsufficientDriver || driver < kOldestDriver) {
    (void)cudaGetLastError();
    std::snprintf(text, sizeof text,
                  "the driver knows CUDA %d.%d and this build of halfword needs %d.%d; "
                  "update the driver",
                  driver / 1000, driver % 1000 / 10, kOldestDriver / 1000,
                  kOldestDriver % 1000 / 10);
    return text;
  }
  if (status != cudaSuccess) return status_text_cuda(status);
  int major = 0;
  int minor = 0;
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
  if (major >= kOldest) return nullptr;
  std::snprintf(
      text, sizeof text,
      "device %d has compute capability %d.%d; the kernels need 8.0 or newer: use another "
      "device, or the CPU",
      device, major, minor);
  return text;
}

const char* status_text_cuda(CudaStatus status) {
  (void)cudaGetLastError();
  return cudaGetErrorString(static_cast<cudaError_t>(status));
}

namespace {

// A capture by another thread forbids allocations, unless it is told that this one is not part of
// it.
class OutsideCapture {
 public:
  OutsideCapture() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  ~OutsideCapture() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  OutsideCapture(const OutsideCapture&) = delete;
  OutsideCapture& operator=(const OutsideCapture&) = delete;

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

}  // namespace

CudaStatus allocate_cuda(size_t bytes, CudaStream stream, void** memory) {
  const OutsideCapture outside;
  return cudaMallocAsync(memory, bytes, stream);
}

void release_cuda(void* memory, CudaStream stream) {
  const OutsideCapture outside;
  if (cudaFreeAsync(memory, stream) != cudaSuccess) (void)cudaGetLastError();
}

}  // namespace halfword
