// cudaMalloc and its relatives.
#include <cstring>

#include "cudart/allocations.h"
#include "cudart/device.h"
#include "cudart/registration.h"
#include "cudart/runtime.h"
#include "cudart/stream.h"

namespace softgpu::cudart {

namespace {

void allocate_now(void** memory, size_t bytes, Kind kind, const char* function) {
  forbid_while_capturing(function);
  *memory = bytes == 0 ? nullptr : allocate(bytes, kind, Life::kLive, current_device()).memory;
}

// Waits for all that could still use the memory, as CUDA's do.
void free_now(void* memory, const char* function) {
  forbid_while_capturing(function);
  if (!memory) return;
  const Allocation& allocation = allocation_at(memory, function);
  if (allocation.kind == Kind::kLent) raise(cudaErrorInvalidValue, "%s: lent memory", function);
  for (int device = 0; device < machine.devices; ++device) {
    if (allocation.kind != Kind::kDevice || allocation.device == device) synchronize_device(device);
  }
  release(allocation_at(memory, function));
}

void refuse_capture(const CUstream_st& stream, const char* function) {
  if (!stream.capture) return;
  raise(cudaErrorStreamCaptureUnsupported, "%s: memory nodes are not supported", function);
}

void allocate_on(cudaStream_t handle, void** memory, size_t bytes) {
  CUstream_st& stream = stream_of(handle);
  refuse_capture(stream, "cudaMallocAsync");
  if (bytes == 0) return void(*memory = nullptr);
  char* const made = allocate(bytes, Kind::kDevice, Life::kQueued, stream.device).memory;
  const auto run = [made] { make_live(allocation_at(made, "cudaMallocAsync")); };
  submit(stream, {"", cudaGraphNodeTypeMemAlloc, run, stream.device});
  *memory = made;
}

void free_on(cudaStream_t handle, void* memory) {
  CUstream_st& stream = stream_of(handle);
  refuse_capture(stream, "cudaFreeAsync");
  if (!memory) return;
  allocation_at(memory, "cudaFreeAsync");
  const auto run = [memory] { release(allocation_at(memory, "cudaFreeAsync")); };
  submit(stream, {"", cudaGraphNodeTypeMemFree, run, stream.device});
}

void describe(cudaPointerAttributes* attributes, const void* pointer) {
  *attributes = {};
  attributes->device = -1;
  attributes->hostPointer = const_cast<void*>(pointer);
  const Allocation* const found = find_allocation(pointer);
  if (!found || found->life == Life::kFreed) return;
  attributes->device = found->device;
  attributes->devicePointer = const_cast<void*>(pointer);
  switch (found->kind) {
    case Kind::kDevice:
    case Kind::kLent:
      attributes->type = cudaMemoryTypeDevice;
      attributes->hostPointer = nullptr;
      break;
    case Kind::kPinned: attributes->type = cudaMemoryTypeHost; break;
    case Kind::kManaged: attributes->type = cudaMemoryTypeManaged; break;
  }
}

}  // namespace

}  // namespace softgpu::cudart

using namespace softgpu::cudart;

extern "C" {

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  return enter([&] { allocate_now(memory, bytes, Kind::kDevice, "cudaMalloc"); });
}

cudaError_t cudaMallocManaged(void** memory, size_t bytes, unsigned) {
  return enter([&] { allocate_now(memory, bytes, Kind::kManaged, "cudaMallocManaged"); });
}

cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  return enter([&] { allocate_now(memory, bytes, Kind::kPinned, "cudaMallocHost"); });
}

cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  return enter([&] { allocate_now(memory, bytes, Kind::kPinned, "cudaHostAlloc"); });
}

cudaError_t cudaFree(void* memory) {
  return enter([&] { free_now(memory, "cudaFree"); });
}

cudaError_t cudaFreeHost(void* memory) {
  return enter([&] { free_now(memory, "cudaFreeHost"); });
}

cudaError_t cudaMallocAsync(void** memory, size_t bytes, cudaStream_t stream) {
  return enter([&] { allocate_on(stream, memory, bytes); });
}

cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream) {
  return enter([&] { free_on(stream, memory); });
}

cudaError_t cudaHostRegister(void* memory, size_t bytes, unsigned) {
  return enter([&] {
    forbid_while_capturing("cudaHostRegister");
    adopt(memory, bytes, Kind::kPinned, true, "page-locked memory");
  });
}

cudaError_t cudaHostUnregister(void* memory) {
  return enter([&] {
    for (int device = 0; device < machine.devices; ++device) synchronize_device(device);
    disown(memory);
  });
}

cudaError_t cudaHostGetDevicePointer(void** device_pointer, void* memory, unsigned) {
  return enter([&] {
    const Allocation* const found = find_allocation(memory);
    if (!found || found->kind == Kind::kDevice) {
      raise(cudaErrorInvalidValue, "cudaHostGetDevicePointer: not page-locked memory");
    }
    *device_pointer = memory;
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  return enter([&] { describe(attributes, pointer); });
}

cudaError_t cudaMemGetInfo(size_t* available, size_t* total) {
  return enter([&] {
    *total = kDeviceMemory;
    *available = kDeviceMemory - bytes_in_use(current_device());
  });
}

cudaError_t cudaGetSymbolAddress(void** address, const void* symbol) {
  return enter([&] { *address = variable_of(symbol).memory; });
}

cudaError_t cudaGetSymbolSize(size_t* bytes, const void* symbol) {
  return enter([&] { *bytes = variable_of(symbol).bytes; });
}

}  // extern "C"
