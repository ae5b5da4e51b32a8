// An op on a CUDA device: its table brought there, its scratch allocated, its kernels launched, an
// error said in words.
#pragma once

#include <cstddef>
#include <cstdint>

#include "binding/device.h"
#include "core/cuda.h"

namespace halfword::binding {

void run_on_cuda(const AccumulateGradsParams& params, int32_t device);
void run_on_cuda(const AdamStepParams& params, int32_t device);
void run_on_cuda(const UnscaleCheckParams& params, int32_t device);
void run_on_cuda(const UpdateScaleParams& params, int32_t device);

// The stream that work on a device is submitted to, and memory that is used in its order: torch's
// (device_cuda.cpp), or what tests/softgpu puts in its place.
CudaStream current_stream(int32_t device);

class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(size_t bytes, int32_t device);
  DeviceMemory(DeviceMemory&& other) noexcept { *this = static_cast<DeviceMemory&&>(other); }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept;
  ~DeviceMemory();

  void* data() const { return data_; }

 private:
  void* owner_ = nullptr;
  void* data_ = nullptr;
};

}  // namespace halfword::binding
