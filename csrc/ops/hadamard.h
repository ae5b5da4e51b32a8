// The orthonormal Walsh-Hadamard transform of each `block` consecutive elements of a row.
//
//   v = x as FP32
//   for h = 1, 2, 4, ... below block, for every i with (i & h) = 0:
//     v[i], v[i + h] = v[i] + v[i + h], v[i] - v[i + h]
//   out = v * (1 / sqrt(block)), rounded to x's type once
//
// The factor is the float nearest to 1 / sqrt(block). block is a power of two, up to kMaxBlock; a
// block of 1 copies. Symmetric and its own inverse, up to rounding. NaN and inf spread over their
// block as the sums above have it.
//
// Identical bits on every backend. Bytes moved per element: x read once, out written once.
#pragma once

#include <cstdint>

#include "core/cuda.h"
#include "core/dtype.h"
#include "core/parallel.h"

namespace halfword {

struct HadamardParams {
  static constexpr int64_t kMaxBlock = 4096;

  const void* x;  // [count], a multiple of block, of dtype
  void* out;      // [count] of dtype; may be x
  int64_t count;
  int64_t block;
  Dtype dtype;
};

// Of a power of two up to kMaxBlock: 2^-k, or the float nearest to 2^-k / sqrt(2).
constexpr float hadamard_factor(int64_t block) {
  float factor = 1.0f;
  for (; block >= 4; block /= 4) factor *= 0.5f;
  return block == 2 ? factor * 0x1.6a09e6p-1f : factor;
}

void hadamard_cpu(const HadamardParams& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
CudaStatus hadamard_cuda(const HadamardParams& params, CudaStream stream);

}  // namespace halfword
