// cudaFunc* and cudaOccupancy*.
#include <algorithm>

#include "cudart/device.h"
#include "cudart/launch.h"
#include "cudart/runtime.h"

using namespace softgpu::cudart;

namespace {

void describe(cudaFuncAttributes* attributes, const Function& function) {
  const uint32_t bound = function.kernel->max_threads;
  *attributes = {};
  attributes->sharedSizeBytes = static_shared(*function.kernel);
  attributes->maxThreadsPerBlock = static_cast<int>(bound ? bound : limits().threads_per_block);
  attributes->ptxVersion = attributes->binaryVersion = static_cast<int>(function.arch);
  attributes->maxDynamicSharedSizeBytes = static_cast<int>(function.max_dynamic_shared);
  const softgpu::Dim3& cluster = function.kernel->cluster;
  if (cluster.count() > 1) {
    attributes->clusterDimMustBeSet = 1;
    attributes->requiredClusterWidth = static_cast<int>(cluster.x);
    attributes->requiredClusterHeight = static_cast<int>(cluster.y);
    attributes->requiredClusterDepth = static_cast<int>(cluster.z);
  }
  attributes->nonPortableClusterSizeAllowed = function.large_clusters;
}

void set_attribute(Function& function, cudaFuncAttribute attribute, int value) {
  switch (attribute) {
    case cudaFuncAttributeMaxDynamicSharedMemorySize: {
      const int most = static_cast<int>(limits().shared_per_block_opt_in) -
                       static_cast<int>(static_shared(*function.kernel));
      if (value < 0 || value > most) {
        raise(cudaErrorInvalidValue, "%s: dynamic shared memory must be 0 to %d bytes; got %d",
              function.name.c_str(), most, value);
      }
      function.max_dynamic_shared = static_cast<uint32_t>(value);
      return;
    }
    case cudaFuncAttributeNonPortableClusterSizeAllowed:
      function.large_clusters = value != 0;
      return;
    case cudaFuncAttributePreferredSharedMemoryCarveout: return;
    default:
      raise(cudaErrorNotSupported, "%s: function attribute %d is not supported",
            function.name.c_str(), static_cast<int>(attribute));
  }
}

uint32_t clusters_at_once(const Function& function, const cudaLaunchConfig_t& configuration) {
  const softgpu::LaunchShape shape = shape_of(configuration);
  const uint32_t blocks = blocks_per_multiprocessor(
      function, static_cast<uint32_t>(shape.block.count()), shape.dynamic_shared);
  return blocks * static_cast<uint32_t>(machine.multiprocessors) /
         std::max(1u, static_cast<uint32_t>(shape.cluster.count()));
}

}  // namespace

extern "C" {

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* symbol) {
  return enter([&] { describe(attributes, function_of(symbol)); });
}

cudaError_t cudaFuncSetAttribute(const void* symbol, cudaFuncAttribute attribute, int value) {
  return enter([&] { set_attribute(function_of(symbol), attribute, value); });
}

cudaError_t cudaFuncSetCacheConfig(const void* symbol, cudaFuncCache) {
  return enter([&] { function_of(symbol); });
}

cudaError_t cudaFuncGetName(const char** name, const void* symbol) {
  return enter([&] { *name = function_of(symbol).device_name.c_str(); });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void* symbol,
                                                                   int threads, size_t shared,
                                                                   unsigned) {
  return enter([&] {
    *blocks = static_cast<int>(
        blocks_per_multiprocessor(function_of(symbol), static_cast<uint32_t>(threads), shared));
  });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* symbol,
                                                          int threads, size_t shared) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, symbol, threads, shared, 0);
}

cudaError_t cudaOccupancyMaxActiveClusters(int* clusters, const void* symbol,
                                           const cudaLaunchConfig_t* configuration) {
  return enter(
      [&] { *clusters = static_cast<int>(clusters_at_once(function_of(symbol), *configuration)); });
}

cudaError_t cudaOccupancyMaxPotentialClusterSize(int* blocks, const void* symbol,
                                                 const cudaLaunchConfig_t*) {
  return enter([&] {
    *blocks = static_cast<int>(function_of(symbol).large_clusters ? limits().cluster_max
                                                                  : limits().cluster);
  });
}

}  // extern "C"
