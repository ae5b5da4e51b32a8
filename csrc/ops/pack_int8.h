// An int8 matrix as gemm_int8 reads it fastest, packed once and used many times.
//
//   kPanels   for the CPU: panels of kPanel rows of b (the last one of the multiple of kPanelStep
//             that holds its rows), each [ceil(k / 4)][rows of the panel][4]: byte b + 128, so that
//             it is the unsigned operand of a dot product. Rows and columns past the end are 128.
//   kPitched  for CUDA: the rows of b, each padded with zeros to a multiple of kPitch bytes.
//
// sums[n] = sum_k b[n, k] modulo 2^32, for the zero point of the other operand. The number of a
// layout never gets another meaning.
#pragma once

#include <cstdint>

#include "core/cuda.h"
#include "core/parallel.h"

namespace halfword {

enum class Int8Layout : int32_t { kRows = 0, kPanels = 1, kPitched = 2 };

struct PackInt8Params {
  static constexpr int64_t kPanel = 64;
  static constexpr int64_t kPanelStep = 16;
  static constexpr int64_t kPitch = 16;

  const int8_t* b;  // [n, k]; columns are consecutive
  int64_t row_stride;
  int64_t n;
  int64_t k;
  uint8_t* packed;  // pack_int8_bytes of this device
  int32_t* sums;    // [n]
};

// What the packed form takes: for the CPU, and for CUDA.
constexpr int64_t panels_bytes(int64_t n, int64_t k) {
  constexpr int64_t kStep = PackInt8Params::kPanelStep;
  return (n + kStep - 1) / kStep * kStep * ((k + 3) / 4 * 4);
}
constexpr int64_t pitched_bytes(int64_t n, int64_t k) {
  constexpr int64_t kPitch = PackInt8Params::kPitch;
  return n * ((k + kPitch - 1) / kPitch * kPitch);
}
constexpr int64_t packed_bytes(Int8Layout layout, int64_t n, int64_t k) {
  switch (layout) {
    case Int8Layout::kPanels: return panels_bytes(n, k);
    case Int8Layout::kPitched: return pitched_bytes(n, k);
    case Int8Layout::kRows: break;
  }
  return n * k;
}

void pack_int8_cpu(const PackInt8Params& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
CudaStatus pack_int8_cuda(const PackInt8Params& params, CudaStream stream);

}  // namespace halfword
