// What the current device has of that which plans count in. The runtime knows it: to ask costs
// next to nothing.
#pragma once

#include <cuda_runtime_api.h>

namespace halfword {

inline cudaError_t device_attribute(cudaDeviceAttr attribute, int* value) {
  int device = 0;
  const cudaError_t status = cudaGetDevice(&device);
  return status != cudaSuccess ? status : cudaDeviceGetAttribute(value, attribute, device);
}

inline cudaError_t multiprocessors(int* count) {
  return device_attribute(cudaDevAttrMultiProcessorCount, count);
}

// Bytes of shared memory that a block may ask for.
inline cudaError_t shared_memory_of_block(int* bytes) {
  return device_attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, bytes);
}

}  // namespace halfword
