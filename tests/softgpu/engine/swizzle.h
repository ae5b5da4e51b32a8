// The 32, 64 and 128 byte swizzles that TMA and wgmma share: 16-byte chunks change places within
// their row by bits of the row's number.
#pragma once

#include <cstdint>

#include "engine/tensor_map.h"

namespace softgpu {

// Where byte `address` of shared memory really is: bits 4.. are xored with bits 7...
inline uint32_t swizzled(Swizzle mode, uint32_t address) {
  const uint32_t bits = static_cast<uint32_t>(mode);  // 1, 2 or 3 chunk bits take part
  const uint32_t mask = (1u << bits) - 1;
  return address ^ ((address >> 7 & mask) << 4);
}

}  // namespace softgpu
