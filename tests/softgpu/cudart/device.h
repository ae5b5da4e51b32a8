// The devices: how many there are, what they say of themselves, and which one a thread uses.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace softgpu::cudart {

constexpr int kMaxDevices = 8;

// What tests may choose. Two devices, so that work on the wrong one can be seen.
struct Machine {
  int devices = 2;
  int capability = 90;  // 10 * major + minor
  int driver = CUDART_VERSION;
  int multiprocessors = 4;
};
extern Machine machine;

// Of the compute capability in use.
struct Limits {
  uint32_t shared_per_block;         // without opting in
  uint32_t shared_per_block_opt_in;  // with cudaFuncSetAttribute
  uint32_t shared_per_multiprocessor;
  uint32_t reserved_shared;  // a block's, on top of what it asks for
  uint32_t threads_per_block;
  uint32_t threads_per_multiprocessor;
  uint32_t blocks_per_multiprocessor;
  uint32_t cluster;      // blocks in a portable cluster; 0: no clusters
  uint32_t cluster_max;  // with cudaFuncAttributeNonPortableClusterSizeAllowed
  uint32_t parameter_bytes;
};
Limits limits();

int current_device();
// Raises cudaErrorInvalidDevice unless there is a device of that number.
void check_device(int device);

}  // namespace softgpu::cudart
