// Rows of bytes brought to places that gemm_int8 reads 16 bytes at a time, and their sums.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "ops/pack_int8.h"

namespace halfword {

constexpr int64_t pitch_of(int64_t k) { return pitched_bytes(1, k); }

struct PitchRows {
  const int8_t* from;  // [rows, k]; columns are consecutive
  int64_t row_stride;
  int64_t rows;
  int64_t k;
  uint8_t* to;         // [rows, pitch_of(k)] from a multiple of 16 on, zeros past k; or null
  int32_t* sums;       // [rows], modulo 2^32; or null
  int64_t* wide_sums;  // [rows], or null
};

cudaError_t pitch_rows(const PitchRows& rows, cudaStream_t stream);

}  // namespace halfword
