// What the host programs of these tests share. Each scenario returns the first CUDA error, and
// leaves in `result` what it computed: right, unless the bug that it can be asked to have shows.
#pragma once

#include <cuda_runtime.h>

#include <vector>

#define PROGRAM extern "C" __attribute__((visibility("default"))) cudaError_t
// Ends a scenario at its first error.
#define TRY(call) \
  if (const cudaError_t status_ = (call); status_) return status_

namespace {

constexpr int kCount = 100;  // elements: more than one block, with a tail
constexpr size_t kBytes = kCount * sizeof(int);
constexpr int kThreads = 64;
constexpr int kBlocks = (kCount + kThreads - 1) / kThreads;

// out[i] = 2 * in[i] + 1
__global__ void twice_plus_one(int* out, const int* in) {
  const int i = blockIdx.x * kThreads + threadIdx.x;
  if (i < kCount) out[i] = 2 * in[i] + 1;
}

__global__ void fill(int* out, int value) {
  const int i = blockIdx.x * kThreads + threadIdx.x;
  if (i < kCount) out[i] = value;
}

inline cudaError_t launch_twice(int* out, const int* in, cudaStream_t stream) {
  twice_plus_one<<<kBlocks, kThreads, 0, stream>>>(out, in);
  return cudaGetLastError();
}

inline cudaError_t launch_fill(int* out, int value, cudaStream_t stream) {
  fill<<<kBlocks, kThreads, 0, stream>>>(out, value);
  return cudaGetLastError();
}

// Two streams, an event, host and device memory: page-locked 0, 1, 2, ... and room for a result.
struct Bench {
  cudaStream_t first = nullptr;
  cudaStream_t second = nullptr;
  cudaStream_t third = nullptr;
  cudaEvent_t event = nullptr;
  cudaEvent_t other = nullptr;
  int* in = nullptr;     // device
  int* out = nullptr;    // device
  int* spare = nullptr;  // device
  int* host = nullptr;   // page-locked
  int* back = nullptr;   // page-locked

  explicit Bench(unsigned flags = cudaStreamNonBlocking) {
    cudaStreamCreateWithFlags(&first, flags);
    cudaStreamCreateWithFlags(&second, flags);
    cudaStreamCreateWithFlags(&third, flags);
    cudaEventCreate(&event);
    cudaEventCreate(&other);
    cudaMalloc(&in, kBytes);
    cudaMalloc(&out, kBytes);
    cudaMalloc(&spare, kBytes);
    cudaMallocHost(&host, kBytes);
    cudaMallocHost(&back, kBytes);
    for (int i = 0; i < kCount; ++i) host[i] = i;
    cudaMemset(in, 0, kBytes);
    cudaMemset(out, 0, kBytes);
    cudaDeviceSynchronize();
  }
  ~Bench() {
    cudaFree(in);
    cudaFree(out);
    cudaFree(spare);
    cudaFreeHost(host);
    cudaFreeHost(back);
    cudaEventDestroy(event);
    cudaEventDestroy(other);
    cudaStreamDestroy(first);
    cudaStreamDestroy(second);
    cudaStreamDestroy(third);
  }
  Bench(const Bench&) = delete;

  cudaError_t copy_in(cudaStream_t stream) {
    return cudaMemcpyAsync(in, host, kBytes, cudaMemcpyHostToDevice, stream);
  }
  // Waits for everything.
  cudaError_t read(int* result) {
    TRY(cudaDeviceSynchronize());
    return cudaMemcpy(result, out, kBytes, cudaMemcpyDeviceToHost);
  }
};

}  // namespace
