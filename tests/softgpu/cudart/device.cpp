#include "cudart/device.h"

#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstring>

#include "cudart/allocations.h"
#include "cudart/graph.h"
#include "cudart/runtime.h"
#include "cudart/stream.h"

namespace softgpu::cudart {

Machine machine;

namespace {

thread_local int current = 0;

constexpr uint32_t kKiB = 1024;

}  // namespace

// CUDA C++ Programming Guide, table "Technical Specifications per Compute Capability".
Limits limits() {
  Limits limit{};
  limit.shared_per_block = 48 * kKiB;
  limit.reserved_shared = kKiB;
  limit.threads_per_block = 1024;
  limit.threads_per_multiprocessor = 2048;
  limit.blocks_per_multiprocessor = 32;
  limit.parameter_bytes = 32764;
  if (machine.capability >= 90) {
    limit.shared_per_block_opt_in = 227 * kKiB;
    limit.shared_per_multiprocessor = 228 * kKiB;
    limit.cluster = 8;
    limit.cluster_max = 16;
  } else {
    limit.shared_per_block_opt_in = 163 * kKiB;
    limit.shared_per_multiprocessor = 164 * kKiB;
  }
  return limit;
}

int current_device() { return current; }

void check_device(int device) {
  if (device >= 0 && device < machine.devices) return;
  raise(cudaErrorInvalidDevice, "no device %d: there are %d", device, machine.devices);
}

namespace {

int attribute_of(cudaDeviceAttr attribute) {
  const Limits limit = limits();
  const auto number = [](uint32_t value) { return static_cast<int>(value); };
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount: return machine.multiprocessors;
    case cudaDevAttrComputeCapabilityMajor: return machine.capability / 10;
    case cudaDevAttrComputeCapabilityMinor: return machine.capability % 10;
    case cudaDevAttrWarpSize: return 32;
    case cudaDevAttrMaxThreadsPerBlock: return number(limit.threads_per_block);
    case cudaDevAttrMaxThreadsPerMultiProcessor: return number(limit.threads_per_multiprocessor);
    case cudaDevAttrMaxBlocksPerMultiprocessor: return number(limit.blocks_per_multiprocessor);
    case cudaDevAttrMaxBlockDimX:
    case cudaDevAttrMaxBlockDimY: return 1024;
    case cudaDevAttrMaxBlockDimZ: return 64;
    case cudaDevAttrMaxGridDimX: return 0x7fffffff;
    case cudaDevAttrMaxGridDimY:
    case cudaDevAttrMaxGridDimZ: return 65535;
    case cudaDevAttrMaxSharedMemoryPerBlock: return number(limit.shared_per_block);
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: return number(limit.shared_per_block_opt_in);
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      return number(limit.shared_per_multiprocessor);
    case cudaDevAttrReservedSharedMemoryPerBlock: return number(limit.reserved_shared);
    case cudaDevAttrMaxRegistersPerBlock:
    case cudaDevAttrMaxRegistersPerMultiprocessor: return 65536;
    case cudaDevAttrTotalConstantMemory: return 65536;
    case cudaDevAttrL2CacheSize: return machine.capability >= 90 ? 50 << 20 : 40 << 20;
    case cudaDevAttrCooperativeLaunch:
    case cudaDevAttrUnifiedAddressing:
    case cudaDevAttrManagedMemory:
    case cudaDevAttrConcurrentKernels:
    case cudaDevAttrMemoryPoolsSupported: return 1;
    case cudaDevAttrClusterLaunch: return limit.cluster > 0;
    default: return 0;
  }
}

void describe(cudaDeviceProp* properties, int device) {
  const Limits limit = limits();
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "softgpu %d", device);
  properties->totalGlobalMem = kDeviceMemory;
  properties->major = machine.capability / 10;
  properties->minor = machine.capability % 10;
  properties->multiProcessorCount = machine.multiprocessors;
  properties->warpSize = 32;
  properties->sharedMemPerBlock = limit.shared_per_block;
  properties->sharedMemPerBlockOptin = limit.shared_per_block_opt_in;
  properties->sharedMemPerMultiprocessor = limit.shared_per_multiprocessor;
  properties->maxThreadsPerBlock = static_cast<int>(limit.threads_per_block);
  properties->maxThreadsPerMultiProcessor = static_cast<int>(limit.threads_per_multiprocessor);
  properties->regsPerBlock = properties->regsPerMultiprocessor =
      attribute_of(cudaDevAttrMaxRegistersPerBlock);
  properties->l2CacheSize = attribute_of(cudaDevAttrL2CacheSize);
  properties->totalConstMem = 65536;
  properties->unifiedAddressing = properties->cooperativeLaunch = 1;
  properties->concurrentKernels = properties->managedMemory = 1;
}

}  // namespace

}  // namespace softgpu::cudart

using namespace softgpu::cudart;

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  return enter([&] {
    *count = machine.devices;
    if (machine.devices == 0) raise(cudaErrorNoDevice, "there is no device");
  });
}

cudaError_t cudaGetDevice(int* device) {
  return enter([&] { *device = current; });
}

cudaError_t cudaSetDevice(int device) {
  return enter([&] {
    check_device(device);
    current = device;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return enter([&] {
    check_device(device);
    *value = attribute_of(attribute);
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return enter([&] {
    check_device(device);
    describe(properties, device);
  });
}

cudaError_t cudaDeviceSynchronize() {
  return enter([] {
    forbid_while_capturing("cudaDeviceSynchronize");
    synchronize_device(current);
  });
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  return enter([&] {
    *least = 0;
    *greatest = -5;
  });
}

// Devices do not reach each other's memory: what works with that may not work without.
cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  return enter([&] {
    check_device(device);
    check_device(peer);
    *can = 0;
  });
}

cudaError_t cudaDriverGetVersion(int* version) {
  return enter([&] { *version = machine.driver; });
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  return enter([&] { *version = CUDART_VERSION; });
}

cudaError_t cudaProfilerStart() { return cudaSuccess; }
cudaError_t cudaProfilerStop() { return cudaSuccess; }

}  // extern "C"
