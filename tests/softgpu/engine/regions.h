// Which host memory kernels may touch. Regions may overlap: an access is good if any one allows it.
#pragma once

#include <cstdint>
#include <string>

namespace softgpu {

struct Region {
  uint64_t begin = 0;
  uint64_t end = 0;
  bool writable = false;
  std::string name;

  bool allows(uint64_t address, uint64_t bytes, bool write) const {
    return begin <= address && address + bytes <= end && (writable || !write);
  }
};

// A region that allows the access, or null.
const Region* find_region(uint64_t address, uint64_t bytes, bool write);
// For messages: the region that an address is in or closest to, or null if there are none.
const Region* nearest_region(uint64_t address);

}  // namespace softgpu
