// Kernel launches, and what decides whether one is allowed.
#pragma once

#include <cstddef>

#include <cuda_runtime_api.h>

#include "cudart/registration.h"
#include "engine/thread.h"

namespace softgpu::cudart {

Dim3 dim(const dim3& size);

// A launch as asked for: the attributes of cudaLaunchKernelExC and what <<<...>>> says.
LaunchShape shape_of(const cudaLaunchConfig_t& configuration);
// Fills in what the kernel itself says of clusters, and raises what CUDA would return.
void check_shape(const Function& function, LaunchShape& shape);

uint32_t static_shared(const Kernel& kernel);
// How many blocks of this size a multiprocessor holds at once. Registers are not known here.
uint32_t blocks_per_multiprocessor(const Function& function, uint32_t threads, size_t shared);

}  // namespace softgpu::cudart
