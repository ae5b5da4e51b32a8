// The device that is current, and whether it can run our kernels.
#include <cuda_runtime.h>

#include <cstdio>

#include "core/cuda.h"

namespace halfword {

bool stream_is_capturing_cuda(CudaStream stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  return cudaStreamIsCapturing(stream, &status) == cudaSuccess &&
         status != cudaStreamCaptureStatusNone;
}

const char* device_problem_cuda() {
  constexpr int kOldest = 8;  // compute capability 8.0
  static thread_local char text[256];
  int driver = 0;
  cudaDriverGetVersion(&driver);
  int device = 0;
  const cudaError_t status = cudaGetDevice(&device);
  if (status == cudaErrorInsufficientDriver || driver < CUDART_VERSION / 1000 * 1000) {
    std::snprintf(
        text, sizeof text,
        "the driver knows CUDA %d.%d and halfword was built with %d.%d; update the driver",
        driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
    return text;
  }
  if (status != cudaSuccess) return cudaGetErrorString(status);
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
  return cudaGetErrorString(static_cast<cudaError_t>(status));
}

CudaDeviceGuard::CudaDeviceGuard(int32_t device) {
  int current = 0;
  if (cudaGetDevice(&current) != cudaSuccess || current == device) return;
  if (cudaSetDevice(device) == cudaSuccess) previous_ = current;
}

CudaDeviceGuard::~CudaDeviceGuard() {
  if (previous_ >= 0) cudaSetDevice(previous_);
}

}  // namespace halfword
