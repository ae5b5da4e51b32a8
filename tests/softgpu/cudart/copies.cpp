#include "cudart/copies.h"

#include <cstring>
#include <memory>
#include <vector>

#include "cudart/allocations.h"
#include "cudart/device.h"
#include "cudart/registration.h"
#include "cudart/runtime.h"
#include "cudart/stream.h"

namespace softgpu::cudart {

namespace {

enum class Place { kDevice, kPinned, kPageable, kEither };

Place place_of(const void* pointer) {
  if (variable_at(pointer)) return Place::kDevice;
  const Allocation* const found = find_allocation(pointer);
  if (!found) return Place::kPageable;
  if (found->kind == Kind::kDevice) return Place::kDevice;
  return found->kind == Kind::kPinned ? Place::kPinned : Place::kEither;
}

size_t span(size_t width, size_t pitch, size_t rows) {
  return rows == 0 || width == 0 ? 0 : (rows - 1) * pitch + width;
}

// When the operation is queued: the range lies in one object. When it runs: the object lives.
void check_range(const void* pointer, size_t bytes, bool running, const char* function) {
  if (bytes == 0) return;
  if (const Variable* variable = variable_at(pointer)) {
    const auto offset = static_cast<const char*>(pointer) - static_cast<char*>(variable->memory);
    if (variable->bytes - static_cast<size_t>(offset) >= bytes) return;
    raise(cudaErrorInvalidValue, "%s: %zu bytes at %td of variable %s, which has %zu", function,
          bytes, offset, variable->name, variable->bytes);
  }
  const Allocation* const found = find_allocation(pointer);
  if (!found) return;
  const auto offset = static_cast<const char*>(pointer) - found->memory;
  if (offset < 0 || static_cast<size_t>(offset) + bytes > found->bytes) {
    raise(cudaErrorInvalidValue, "%s: %zu bytes at %td of %s, which has %zu", function, bytes,
          offset, found->name.c_str(), found->bytes);
  }
  if (found->life == Life::kFreed) {
    raise(running ? cudaErrorIllegalAddress : cudaErrorInvalidValue, "%s: %s that has been freed",
          function, found->name.c_str());
  }
  if (running && found->life == Life::kQueued) {
    raise(cudaErrorIllegalAddress, "%s: the cudaMallocAsync of this memory has not run", function);
  }
}

void check_side(const void* pointer, bool is_device, const char* function, const char* side) {
  const Place place = place_of(pointer);
  if (place == Place::kEither || place == Place::kPinned) return;
  if ((place == Place::kDevice) == is_device) return;
  raise(cudaErrorInvalidValue, "%s: the %s is %s memory; the kind of copy says otherwise", function,
        side, is_device ? "the host's" : "device");
}

void check(const Copy& copy, const char* function) {
  if (copy.width > copy.to_pitch || copy.width > copy.from_pitch) {
    raise(cudaErrorInvalidPitchValue, "%s: rows overlap", function);
  }
  check_range(copy.to, span(copy.width, copy.to_pitch, copy.rows), false, function);
  check_range(copy.from, span(copy.width, copy.from_pitch, copy.rows), false, function);
  if (copy.kind == cudaMemcpyDefault) return;
  const bool to_device =
      copy.kind == cudaMemcpyHostToDevice || copy.kind == cudaMemcpyDeviceToDevice;
  const bool from_device =
      copy.kind == cudaMemcpyDeviceToHost || copy.kind == cudaMemcpyDeviceToDevice;
  check_side(copy.to, to_device, function, "destination");
  check_side(copy.from, from_device, function, "source");
}

void move_rows(const Copy& copy) {
  for (size_t row = 0; row < copy.rows; ++row) {
    std::memmove(copy.to + row * copy.to_pitch, copy.from + row * copy.from_pitch, copy.width);
  }
}

void run(const Copy& copy, int device, const char* function) {
  check_range(copy.to, span(copy.width, copy.to_pitch, copy.rows), true, function);
  check_range(copy.from, span(copy.width, copy.from_pitch, copy.rows), true, function);
  activate(device);  // a variable has its device's contents
  move_rows(copy);
}

// CUDA has read pageable memory when a copy from it returns: it goes through a staging buffer.
void submit_staged(const Copy& copy, CUstream_st& stream, const char* function) {
  auto staged = std::make_shared<std::vector<char>>(copy.width * copy.rows);
  Copy in = copy;
  in.to = staged->data();
  in.to_pitch = copy.width;
  move_rows(in);
  Copy out = copy;
  out.from = staged->data();
  out.from_pitch = copy.width;
  const int device = stream.device;
  submit(stream, {"memcpy", cudaGraphNodeTypeMemcpy,
                  [=, keep = staged] { run(out, device, function); }, device});
}

void submit_copy(const Copy& copy, CUstream_st& stream, const char* function) {
  if (copy.width == 0 || copy.rows == 0) return;
  const bool staged = place_of(copy.from) == Place::kPageable && !stream.capture;
  if (staged) return submit_staged(copy, stream, function);
  const int device = stream.device;
  submit(stream, {"memcpy", cudaGraphNodeTypeMemcpy, [=] { run(copy, device, function); }, device});
}

}  // namespace

void copy_async(const Copy& copy, cudaStream_t handle, const char* function) {
  CUstream_st& stream = stream_of(handle);
  check(copy, function);
  submit_copy(copy, stream, function);
}

// What cudaMemcpy promises the host (API synchronization behavior): from pageable memory, earlier
// work is done, but the last part of the copy itself may still be under way; between devices,
// nothing; otherwise all is done.
void copy_and_wait(const Copy& copy, const char* function) {
  forbid_while_capturing(function);
  CUstream_st& stream = legacy_stream(current_device());
  check(copy, function);
  const bool from_device = place_of(copy.from) == Place::kDevice;
  const bool to_device = place_of(copy.to) == Place::kDevice;
  const bool from_pageable = place_of(copy.from) == Place::kPageable;
  if (from_pageable) synchronize(stream);
  submit_copy(copy, stream, function);
  const bool returns_early = to_device && (from_device || from_pageable);
  if (!returns_early) synchronize(stream);
}

void fill_async(const Fill& fill, cudaStream_t handle, const char* function) {
  CUstream_st& stream = stream_of(handle);
  const size_t bytes = span(fill.width, fill.pitch, fill.rows);
  check_range(fill.to, bytes, false, function);
  if (place_of(fill.to) == Place::kPageable && bytes > 0) {
    raise(cudaErrorInvalidValue, "%s: not device memory", function);
  }
  if (bytes == 0) return;
  const int device = stream.device;
  const auto run = [=] {
    check_range(fill.to, bytes, true, function);
    activate(device);
    for (size_t row = 0; row < fill.rows; ++row) {
      std::memset(fill.to + row * fill.pitch, fill.value, fill.width);
    }
  };
  submit(stream, {"memset", cudaGraphNodeTypeMemset, run, device});
}

}  // namespace softgpu::cudart
