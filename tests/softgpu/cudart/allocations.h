// Memory that the runtime hands out or has been told of, and which device may touch it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace softgpu::cudart {

enum class Kind {
  kDevice,   // of one device
  kPinned,   // the host's, page-locked: every device reaches it
  kManaged,  // every device's and the host's
  kLent,     // the host's, which a test lets kernels use (softgpu_lend)
};

enum class Life {
  kQueued,  // cudaMallocAsync has not run yet
  kLive,
  kFreed,  // kept from being handed out again, so that a late access is seen
};

struct Allocation {
  char* memory = nullptr;
  size_t bytes = 0;
  Kind kind = Kind::kDevice;
  Life life = Life::kLive;
  int device = 0;
  bool writable = true;
  int lent = 0;  // how many times
  std::string name;
};

// Memory with garbage in it. Raises cudaErrorMemoryAllocation.
Allocation& allocate(size_t bytes, Kind kind, Life life, int device);
void make_live(Allocation& allocation);
void release(Allocation& allocation);
// Host memory of others.
Allocation& adopt(void* memory, size_t bytes, Kind kind, bool writable, const char* name);
void disown(void* memory);

// Where the pointer is inside, or in the red zones beside; null if it is the host's own.
Allocation* find_allocation(const void* pointer);
// That starts there and is not freed. Raises cudaErrorInvalidValue.
Allocation& allocation_at(const void* pointer, const char* function);

// Kernels and copies of this device come next: they see its memory and its variables.
void activate(int device);

size_t bytes_in_use(int device);
constexpr size_t kDeviceMemory = size_t{16} << 30;

}  // namespace softgpu::cudart
