#include <algorithm>

#include "cudart/device.h"
#include "cudart/launch.h"
#include "cudart/runtime.h"

namespace softgpu::cudart {

namespace {

constexpr uint32_t kMaxGridX = 0x7fffffff;
constexpr uint32_t kMaxGridYZ = 65535;
constexpr uint32_t kMaxBlockZ = 64;

void check_arch(const Function& function) {
  const uint32_t have = static_cast<uint32_t>(machine.capability);
  // Ours from 90 on are for that one architecture (sm_90a).
  const bool runs = function.arch >= 90 ? have == function.arch : have >= function.arch;
  if (runs) return;
  raise(cudaErrorNoKernelImageForDevice, "%s: made for compute capability %u.%u, device has %u.%u",
        function.name.c_str(), function.arch / 10, function.arch % 10, have / 10, have % 10);
}

void check_grid(const Function& function, const LaunchShape& shape) {
  const auto bad = [&](const char* what) {
    raise(cudaErrorInvalidConfiguration, "%s: %s (grid %u x %u x %u, block %u x %u x %u)",
          function.name.c_str(), what, shape.grid.x, shape.grid.y, shape.grid.z, shape.block.x,
          shape.block.y, shape.block.z);
  };
  const Limits limit = limits();
  if (shape.grid.count() == 0) bad("a grid of no blocks");
  if (shape.block.count() == 0) bad("a block of no threads");
  if (shape.grid.x > kMaxGridX || shape.grid.y > kMaxGridYZ || shape.grid.z > kMaxGridYZ) {
    bad("the grid is too large");
  }
  if (shape.block.count() > limit.threads_per_block || shape.block.z > kMaxBlockZ) {
    bad("the block is too large");
  }
}

// cudaLaunchKernel reports these two with codes of their own.
void check_resources(const Function& function, const LaunchShape& shape) {
  const Kernel& kernel = *function.kernel;
  const char* const name = function.name.c_str();
  if (kernel.max_threads && shape.block.count() > kernel.max_threads) {
    raise(cudaErrorInvalidValue, "%s: a block of %llu threads, __launch_bounds__ says %u", name,
          static_cast<unsigned long long>(shape.block.count()), kernel.max_threads);
  }
  if (shape.dynamic_shared > function.max_dynamic_shared) {
    raise(cudaErrorInvalidValue,
          "%s: %u bytes of dynamic shared memory, allowed are %u (cudaFuncSetAttribute)", name,
          shape.dynamic_shared, function.max_dynamic_shared);
  }
  const uint32_t all = shape.dynamic_shared + static_shared(kernel);
  if (all > limits().shared_per_block_opt_in) {
    raise(cudaErrorInvalidValue, "%s: %u bytes of shared memory, a block has %u", name, all,
          limits().shared_per_block_opt_in);
  }
  if (kernel.parameter_bytes > limits().parameter_bytes) {
    raise(cudaErrorInvalidValue, "%s: %u bytes of parameters, allowed are %u", name,
          kernel.parameter_bytes, limits().parameter_bytes);
  }
}

void check_cluster(const Function& function, LaunchShape& shape) {
  const char* const name = function.name.c_str();
  const Dim3& declared = function.kernel->cluster;
  if (declared.count() > 1) {
    const bool differs = shape.cluster.count() > 1 &&
                         (shape.cluster.x != declared.x || shape.cluster.y != declared.y ||
                          shape.cluster.z != declared.z);
    if (differs) raise(cudaErrorInvalidClusterSize, "%s: not its __cluster_dims__", name);
    shape.cluster = declared;
  }
  if (shape.cluster.count() <= 1) return;
  const Dim3& cluster = shape.cluster;
  if (shape.grid.x % cluster.x || shape.grid.y % cluster.y || shape.grid.z % cluster.z) {
    raise(cudaErrorInvalidValue, "%s: clusters of %u x %u x %u do not divide the grid", name,
          cluster.x, cluster.y, cluster.z);
  }
  const uint32_t most = function.large_clusters ? limits().cluster_max : limits().cluster;
  if (cluster.count() > most) {
    raise(cudaErrorInvalidClusterSize, "%s: clusters of %llu blocks, allowed are %u", name,
          static_cast<unsigned long long>(cluster.count()), most);
  }
}

void check_cooperative(const Function& function, const LaunchShape& shape) {
  if (!shape.cooperative) return;
  const auto threads = static_cast<uint32_t>(shape.block.count());
  const uint64_t fit =
      uint64_t{blocks_per_multiprocessor(function, threads, shape.dynamic_shared)} *
      static_cast<uint64_t>(machine.multiprocessors);
  if (shape.grid.count() <= fit) return;
  raise(cudaErrorCooperativeLaunchTooLarge, "%s: %llu blocks, %llu fit at the same time",
        function.name.c_str(), static_cast<unsigned long long>(shape.grid.count()),
        static_cast<unsigned long long>(fit));
}

}  // namespace

Dim3 dim(const dim3& size) {
  Dim3 same;
  same.x = size.x;
  same.y = size.y;
  same.z = size.z;
  return same;
}

LaunchShape shape_of(const cudaLaunchConfig_t& configuration) {
  LaunchShape shape;
  shape.grid = dim(configuration.gridDim);
  shape.block = dim(configuration.blockDim);
  shape.dynamic_shared = static_cast<uint32_t>(configuration.dynamicSmemBytes);
  for (unsigned i = 0; i < configuration.numAttrs; ++i) {
    const cudaLaunchAttribute& attribute = configuration.attrs[i];
    switch (attribute.id) {
      case cudaLaunchAttributeClusterDimension:
        shape.cluster.x = attribute.val.clusterDim.x;
        shape.cluster.y = attribute.val.clusterDim.y;
        shape.cluster.z = attribute.val.clusterDim.z;
        break;
      case cudaLaunchAttributeCooperative:
        shape.cooperative = attribute.val.cooperative != 0;
        break;
      // Hints, and permissions to overlap that nobody has to use.
      case cudaLaunchAttributeIgnore:
      case cudaLaunchAttributeAccessPolicyWindow:
      case cudaLaunchAttributeSynchronizationPolicy:
      case cudaLaunchAttributeClusterSchedulingPolicyPreference:
      case cudaLaunchAttributeProgrammaticStreamSerialization:
      case cudaLaunchAttributePriority:
      case cudaLaunchAttributePreferredSharedMemoryCarveout: break;
      default:
        raise(cudaErrorNotSupported, "launch attribute %d is not supported",
              static_cast<int>(attribute.id));
    }
  }
  return shape;
}

void check_shape(const Function& function, LaunchShape& shape) {
  check_arch(function);
  check_grid(function, shape);
  check_resources(function, shape);
  check_cluster(function, shape);
  check_cooperative(function, shape);
}

uint32_t static_shared(const Kernel& kernel) {
  uint32_t bytes = 0;
  for (uint32_t i = 0; i < kernel.shared_count; ++i) {
    const SharedVariable& variable = kernel.shared[i];
    const uint32_t alignment = std::max(variable.alignment, 1u);
    bytes = (bytes + alignment - 1) / alignment * alignment + variable.bytes;
  }
  return bytes;
}

uint32_t blocks_per_multiprocessor(const Function& function, uint32_t threads, size_t shared) {
  const Limits limit = limits();
  const Kernel& kernel = *function.kernel;
  if (threads == 0 || threads > limit.threads_per_block) return 0;
  if (kernel.max_threads && threads > kernel.max_threads) return 0;
  const uint32_t whole_warps = (threads + kWarp - 1) / kWarp * kWarp;
  const size_t block_shared = shared + static_shared(kernel) + limit.reserved_shared;
  const size_t by_shared = limit.shared_per_multiprocessor / block_shared;
  const size_t by_threads = limit.threads_per_multiprocessor / whole_warps;
  return static_cast<uint32_t>(
      std::min({by_shared, by_threads, size_t{limit.blocks_per_multiprocessor}}));
}

}  // namespace softgpu::cudart
