// Nibbles of a layout of core/int4.h as codes of -8 to 7, a byte each: the inverse of
// ops/pack_int4.h. Exact. Bytes moved: half a byte read and 1 byte written for each code.
#pragma once

#include <cstdint>

#include "core/cuda.h"
#include "core/int4.h"
#include "core/parallel.h"

namespace halfword {

struct UnpackInt4Params {
  const uint8_t* packed;  // [int4_bytes]
  Int4Layout layout;
  int64_t n;
  int64_t k;
  int8_t* codes;  // [n, k], dense
};

void unpack_int4_cpu(const UnpackInt4Params& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
CudaStatus unpack_int4_cuda(const UnpackInt4Params& params, CudaStream stream);

}  // namespace halfword
