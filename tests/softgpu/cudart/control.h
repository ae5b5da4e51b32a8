// What tests, and the binding of the product, ask of the software GPU beside CUDA's own functions.
// tests/softgpu/library.py is the same for Python.
#pragma once

#include <cstdint>

extern "C" {

// Settings by name: those of engine/settings.h, and of the runtime
//   eager            1: queued work runs at once
//   devices          how many there are
//   capability       10 * major + minor
//   driver           the CUDA version that it knows, 1000 * major + 10 * minor
//   multiprocessors  of a device
// 0, or -1 if there is no such setting.
int softgpu_set(const char* name, int64_t value);
int softgpu_get(const char* name, int64_t* value);

// Drops queued work and captures, forgets errors and the list of executed operations, and makes
// device 0 current. Streams, events, memory and settings stay.
void softgpu_reset();

// All that is known of the latest error: kernel, message, place in the source.
const char* softgpu_last_error();

// Host memory that kernels of every device may use until it is taken back: a torch tensor on the
// CPU. It can be lent more than once.
int softgpu_lend(void* memory, uint64_t bytes, int writable, const char* name);
int softgpu_take_back(void* memory);

// What has run since the last reset, in order: kernels by name, "memcpy", "memset".
struct SoftgpuExecuted {
  const char* name;
  int32_t stream;  // cudaStreamGetId
  int32_t device;
};
int64_t softgpu_executed_count();
SoftgpuExecuted softgpu_executed(int64_t index);

// A binding's stand-in for torch's current stream, one for each device.
void* softgpu_current_stream(int device);
void softgpu_set_current_stream(int device, void* stream);
}
