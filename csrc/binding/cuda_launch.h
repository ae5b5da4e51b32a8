// An op on a CUDA device: its table brought there, its scratch allocated, its kernels launched, an
// error said in words.
#pragma once

#include <cstddef>
#include <cstdint>

#include "binding/device.h"
#include "core/cuda.h"

namespace halfword::binding {

#define HALFWORD_DECLARE_RUN(Params, stem) void run_on_cuda(const Params& params, int32_t device);
HALFWORD_EVERY_OP(HALFWORD_DECLARE_RUN)
#undef HALFWORD_DECLARE_RUN

// What the launches take from torch (device_cuda.cpp), or from what tests/softgpu puts in its
// place: the stream that work on a device is submitted to,
CudaStream current_stream(int32_t device);

// scratch memory that is used in its order,
class DeviceMemory {
 public:
  DeviceMemory(size_t bytes, int32_t device);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  void* data() const { return data_; }

 private:
  void* owner_ = nullptr;
  void* data_ = nullptr;
};

// and a device made the current one for as long as this lives.
class DeviceGuard {
 public:
  explicit DeviceGuard(int32_t device);
  ~DeviceGuard();
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  void* guard_ = nullptr;
};

}  // namespace halfword::binding
