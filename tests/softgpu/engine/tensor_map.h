// CUtensorMap of the stand-in driver: what cuTensorMapEncodeTiled writes and TMA reads.
#pragma once

#include <cstdint>

#include "engine/element.h"

namespace softgpu {

enum class Swizzle : uint8_t { kNone, k32, k64, k128 };

struct TensorMap {
  uint64_t base = 0;
  uint32_t rank = 0;
  Element element = Element::kU8;
  uint32_t element_bytes = 0;
  Swizzle swizzle = Swizzle::kNone;
  bool fill_nan = false;
  uint64_t size[5] = {};    // elements
  uint64_t stride[5] = {};  // bytes; stride[0] = element_bytes
  uint32_t box[5] = {};     // elements
  uint32_t box_bytes() const;
};

// Null when all is well, else what the memory behind `opaque` (128 bytes) is not.
const char* decode_tensor_map(const char* opaque, TensorMap& map);

}  // namespace softgpu

// The driver's function, arguments by the driver's types' widths (cuda.h: the enumerations are
// ints). Returns a CUresult: 0, or CUDA_ERROR_INVALID_VALUE (1) with the rule in
// softgpu_tensor_map_error().
extern "C" int softgpu_cuTensorMapEncodeTiled(void* map, int type, uint32_t rank, void* base,
                                              const uint64_t* size, const uint64_t* stride,
                                              const uint32_t* box, const uint32_t* element_stride,
                                              int interleave, int swizzle, int l2_promotion,
                                              int out_of_bounds_fill);
extern "C" const char* softgpu_tensor_map_error();
