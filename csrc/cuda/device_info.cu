// What this library was built for, and what it finds where it runs. C functions, so that Python can
// ask without torch (python/halfword/_cuda.py). None of them creates a context, and all of them
// work where there is no driver.
#include <cuda_runtime_api.h>

#include <cstdint>
#include <cstring>

#include "core/host_device.h"

struct HalfwordCudaDevice {
  char name[256];
  int32_t major;  // compute capability
  int32_t minor;
  uint64_t memory;  // bytes
};

// Versions are 1000 * major + 10 * minor.
extern "C" HALFWORD_EXPORT int32_t halfword_cuda_runtime_version() { return CUDART_VERSION; }

// The newest CUDA that the driver knows; 0 without a driver.
extern "C" HALFWORD_EXPORT int32_t halfword_cuda_driver_version() {
  int version = 0;
  return cudaDriverGetVersion(&version) == cudaSuccess ? version : 0;
}

// These return a status, 0 for success.
extern "C" HALFWORD_EXPORT int32_t halfword_cuda_device_count(int32_t* count) {
  *count = 0;
  return cudaGetDeviceCount(count);
}

extern "C" HALFWORD_EXPORT int32_t halfword_cuda_device(int32_t index, HalfwordCudaDevice* device) {
  cudaDeviceProp properties;
  const cudaError_t status = cudaGetDeviceProperties(&properties, index);
  if (status != cudaSuccess) return status;
  static_assert(sizeof device->name == sizeof properties.name);
  std::memcpy(device->name, properties.name, sizeof device->name);
  device->major = properties.major;
  device->minor = properties.minor;
  device->memory = properties.totalGlobalMem;
  return cudaSuccess;
}

extern "C" HALFWORD_EXPORT const char* halfword_cuda_error_text(int32_t status) {
  return cudaGetErrorString(static_cast<cudaError_t>(status));
}
