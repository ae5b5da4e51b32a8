// Codes of -8 to 7, a byte each, as nibbles of a layout of core/int4.h; and back
// (ops/unpack_int4.h). Exact. Bytes moved: 1 byte read and half a byte written for each code.
// The CPU packs any layout, CUDA all but kPanels.
#pragma once

#include <cstdint>

#include "core/cuda.h"
#include "core/int4.h"
#include "core/parallel.h"

namespace halfword {

struct PackInt4Params {
  const int8_t* codes;  // [n, k]; columns are consecutive. What is not in -8..7 is taken modulo 16
  int64_t row_stride;
  int64_t n;
  int64_t k;
  Int4Layout layout;
  uint8_t* packed;  // [int4_bytes]
};

void pack_int4_cpu(const PackInt4Params& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
CudaStatus pack_int4_cuda(const PackInt4Params& params, CudaStream stream);

}  // namespace halfword
