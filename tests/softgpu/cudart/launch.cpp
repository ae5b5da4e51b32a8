#include "cudart/launch.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <vector>

#include "cudart/allocations.h"
#include "cudart/device.h"
#include "cudart/runtime.h"
#include "cudart/stream.h"

namespace softgpu::cudart {

namespace {

// What <<<...>>> pushes and the stub of the kernel pops.
struct Pushed {
  dim3 grid;
  dim3 block;
  size_t shared;
  cudaStream_t stream;
};
thread_local std::vector<Pushed> pushed;

// A launch has its own copy of the arguments. Aligned as the parameter space is.
struct alignas(128) ParameterBlock {
  char bytes[128];
};
using Parameters = std::vector<ParameterBlock>;

Parameters pack(const Kernel& kernel, void** arguments) {
  Parameters packed(kernel.parameter_bytes / sizeof(ParameterBlock) + 1);
  char* const memory = packed.front().bytes;
  for (uint32_t i = 0; i < kernel.parameter_count; ++i) {
    const Parameter& parameter = kernel.parameters[i];
    std::memcpy(memory + parameter.offset, arguments[i], parameter.bytes);
  }
  return packed;
}

// What the engine cannot know of the address that its message names: it sees only memory that the
// kernel may use.
std::string describe_memory(const std::string& message) {
  const std::string before = "memory at ";
  const size_t at = message.find(before);
  if (at == std::string::npos) return "";
  const auto address = std::strtoull(message.c_str() + at + before.size(), nullptr, 16);
  const Allocation* const found = find_allocation(reinterpret_cast<const void*>(address));
  if (!found) return "";
  if (found->life == Life::kFreed) return "; it was freed";
  if (found->life == Life::kQueued) return "; its cudaMallocAsync has not run";
  return found->device == current_device() ? "" : "; it is " + found->name;
}

std::string explain(std::string message) {
  return message.insert(std::min(message.find('\n'), message.size()), describe_memory(message));
}

void run(const Function& function, const LaunchShape& shape, const Parameters& parameters,
         int device) {
  activate(device);
  try {
    run_grid(*function.kernel, shape, parameters.front().bytes);
  } catch (const std::exception& failure) {
    throw Error{cudaErrorLaunchFailure, function.name + ": " + explain(failure.what())};
  }
}

void launch(const void* symbol, LaunchShape shape, void** arguments, cudaStream_t handle) {
  const Function& function = function_of(symbol);
  CUstream_st& stream = stream_of(handle);
  if (stream.device != current_device()) {
    raise(cudaErrorInvalidResourceHandle, "%s: stream of device %d, current device %d",
          function.name.c_str(), stream.device, current_device());
  }
  check_shape(function, shape);
  auto parameters = std::make_shared<Parameters>(pack(*function.kernel, arguments));
  const int device = stream.device;
  submit(stream,
         {function.name, cudaGraphNodeTypeKernel,
          [&function, shape, parameters, device] { run(function, shape, *parameters, device); },
          device});
}

cudaError_t launch_plain(const void* symbol, const Pushed& as, void** arguments, bool cooperative) {
  return enter([&] {
    LaunchShape shape;
    shape.grid = dim(as.grid);
    shape.block = dim(as.block);
    shape.dynamic_shared = static_cast<uint32_t>(as.shared);
    shape.cooperative = cooperative;
    launch(symbol, shape, arguments, as.stream);
  });
}

}  // namespace

}  // namespace softgpu::cudart

using namespace softgpu::cudart;

extern "C" {

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, CUstream_st* stream) {
  pushed.push_back({grid, block, shared, stream});
  return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
  const Pushed top = pushed.back();
  pushed.pop_back();
  *grid = top.grid;
  *block = top.block;
  *shared = top.shared;
  *static_cast<cudaStream_t*>(stream) = top.stream;
  return cudaSuccess;
}

// A handle is the host symbol itself: modules may not have registered themselves yet.
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* symbol) {
  *kernel = reinterpret_cast<cudaKernel_t>(const_cast<void*>(symbol));
  return cudaSuccess;
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments,
                               size_t shared, cudaStream_t stream) {
  return launch_plain(kernel, {grid, block, shared, stream}, arguments, false);
}

cudaError_t cudaLaunchKernel(const void* symbol, dim3 grid, dim3 block, void** arguments,
                             size_t shared, cudaStream_t stream) {
  return launch_plain(symbol, {grid, block, shared, stream}, arguments, false);
}

cudaError_t cudaLaunchCooperativeKernel(const void* symbol, dim3 grid, dim3 block, void** arguments,
                                        size_t shared, cudaStream_t stream) {
  return launch_plain(symbol, {grid, block, shared, stream}, arguments, true);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* configuration, const void* symbol,
                                void** arguments) {
  return enter([&] { launch(symbol, shape_of(*configuration), arguments, configuration->stream); });
}

}  // extern "C"
