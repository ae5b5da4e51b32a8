// What the kernels of the engine's tests share. A case is a kernel on `data`, kInts zeros, and a
// function of the same name that launches it, waits, and gives back what `data` holds then.
#pragma once

#include <cuda_runtime.h>

namespace {

constexpr int kInts = 1024;
constexpr int kFullMask = -1;

inline cudaError_t run_case(void (*kernel)(int*), dim3 grid, dim3 block, size_t shared, int* result,
                            bool cooperative = false) {
  int* data = nullptr;
  if (const cudaError_t status = cudaMalloc(&data, kInts * sizeof(int))) return status;
  cudaMemset(data, 0, kInts * sizeof(int));
  void* arguments[] = {&data};
  const void* function = reinterpret_cast<const void*>(kernel);
  cudaError_t status =
      cooperative ? cudaLaunchCooperativeKernel(function, grid, block, arguments, shared, nullptr)
                  : cudaLaunchKernel(function, grid, block, arguments, shared, nullptr);
  if (status == cudaSuccess) {
    status = cudaMemcpy(result, data, kInts * sizeof(int), cudaMemcpyDeviceToHost);
  }
  cudaFree(data);
  return status;
}

}  // namespace

#define LAUNCHER(name, grid, block, shared, cooperative)                            \
  extern "C" __attribute__((visibility("default"))) cudaError_t name(int* result) { \
    return run_case(name##_kernel, grid, block, shared, result, cooperative);       \
  }
// CASE(name, blocks, threads) { the kernel }
#define CASE(name, grid, block)             \
  __global__ void name##_kernel(int* data); \
  LAUNCHER(name, grid, block, 0, false)     \
  __global__ void name##_kernel([[maybe_unused]] int* data)
