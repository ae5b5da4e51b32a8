// Device copies of a test's arrays, with ordinary runtime calls, so that the tests run on any
// device.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#define CONFORMANCE_API extern "C" __attribute__((visibility("default")))

namespace conformance {

// An array on the device that starts as a copy of the host's and can be copied back.
template <class T>
class Buffer {
 public:
  Buffer(T* host, size_t count) : host_(host), bytes_(count * sizeof(T)) {
    cudaMalloc(&device_, bytes_ == 0 ? 1 : bytes_);
    cudaMemcpy(device_, host, bytes_, cudaMemcpyHostToDevice);
  }
  ~Buffer() { cudaFree(device_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  T* device() const { return static_cast<T*>(device_); }
  void copy_back() { cudaMemcpy(host_, device_, bytes_, cudaMemcpyDeviceToHost); }

 private:
  T* host_;
  size_t bytes_;
  void* device_ = nullptr;
};

// What went wrong in the launch just made, or in its kernel.
inline int finish() {
  const cudaError_t launched = cudaGetLastError();
  const cudaError_t ended = cudaDeviceSynchronize();
  return launched != cudaSuccess ? launched : ended;
}

}  // namespace conformance
