// INT32 sums as int8 codes by a multiplication and a shift, for inference with integers only.
//
//   n     = clamp(shift, -31, 31)
//   codes = clamp(((int64(acc) * multiplier + 2^(30 + n)) >> (31 + n)) + zero_point,
//                 lowest, highest)
//
// which multiplies by multiplier * 2^(-31 - n) and rounds halves up: the shift is arithmetic, and
// for n = -31 nothing is added. (The formula: core/requantize_math.h.)
//
// Exact, and so the same on every backend. Bytes moved per element: 4 read, 1 written.
// Source: Jacob et al., "Quantization and training of neural networks for efficient
// integer-arithmetic-only inference", CVPR 2018, section 2.2.
#pragma once

#include <cstdint>

#include "core/cuda.h"
#include "core/host_device.h"
#include "core/parallel.h"

namespace halfword {

// One int32 for all columns, or one for each of them.
struct ColumnInt {
  const int32_t* values;
  bool each;

  HALFWORD_INLINE int32_t of(int64_t col) const { return values[each ? col : 0]; }
};

struct RequantizeParams {
  const int32_t* acc;  // [rows, cols], dense
  int64_t rows;
  int64_t cols;
  ColumnInt multiplier;
  ColumnInt shift;
  const int32_t* zero_point;  // one element, or null: 0
  int32_t lowest;             // -128 <= lowest <= highest <= 127
  int32_t highest;
  int8_t* codes;  // [rows, cols], dense
};

void requantize_cpu(const RequantizeParams& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
CudaStatus requantize_cuda(const RequantizeParams& params, CudaStream stream);

}  // namespace halfword
