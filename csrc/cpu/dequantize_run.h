// What the dequantizing loops of all instruction sets have in common with their launcher.
#pragma once

#include <cstdint>

#include "ops/dequantize.h"

namespace halfword {

// The values of columns [begin, end) of one row of a matrix, whose blocks have scale[0], ... and
// zero_point[0], ... from column 0 on.
struct DequantizeRow {
  const int8_t* codes;
  void* out;
  int64_t begin;
  int64_t end;
  int64_t block_cols;
  const float* scale;
  const int32_t* zero_point;  // or null
  bool log2;
  CodeRange range;
};

using DequantizeLoop = void (*)(const DequantizeRow& row);

DequantizeLoop dequantize_loop_portable(Dtype dtype);
DequantizeLoop dequantize_loop_avx2(Dtype dtype);
DequantizeLoop dequantize_loop_avx512(Dtype dtype);

}  // namespace halfword
