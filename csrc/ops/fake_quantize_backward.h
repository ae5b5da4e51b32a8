// The gradients of fake_quantize with given scales: straight through where no code was clamped, and
// those of a scale and a zero point that are learned.
//
//   t = x * inv, 0 if that is NaN        r = code(x) - zero_point, as the forward has it
//   clamped: round(t), or with a seed t itself, lies outside [lowest, highest] - zero_point
//
//   d_x          = d_out           , 0 if clamped
//   d_scale      = sum of d_out * (r - t), of d_out * r if clamped
//   d_zero_point = sum of d_out * 0      , of d_out * -scale if clamped
//
// log2: d_x only, and only a code that would be larger than the highest is clamped: the values
// below the least one pass, or a weight that came near 0 would stay there.
// A scale of 0, NaN or inf: t = 0, so that d_x = d_out and d_scale = 0.
//
// The sums, of a block: a piece is up to kPiece consecutive columns of one of its rows, from the
// block's first column on. Lane l of kLanes adds the products of a piece's elements l, l + kLanes,
// ... with one fma each, from 0, in FP32; the lanes are added in halves (i, i + 16), (i, i + 8),
// ... Piece p of row i of the block has number i * (pieces of a row) + p; lane l of kLanes adds the
// pieces l, l + kLanes, ... in double, the lanes are added in halves, and the sum is rounded once.
//
// Identical bits on every backend. Bytes moved per element: x and d_out read, d_x written, once.
// Source: Esser et al., "Learned step size quantization", ICLR 2020; Bhalgat et al., "LSQ+",
// CVPR workshops 2020 (the zero point).
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/blocks.h"
#include "core/cuda.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "core/quantize_math.h"

namespace halfword {

struct FakeQuantizeBackwardParams {
  static constexpr int kLanes = 32;
  static constexpr int64_t kPiece = 4096;

  const void* d_out;  // [rows, cols] of dtype, dense
  const void* x;      // [rows, cols] of dtype, dense
  Dtype dtype;
  Blocks blocks;
  Mapping mapping;
  int bits;
  const int64_t* seed;        // the forward's: one element, or null
  const float* scale;         // [blocks]
  const int32_t* zero_point;  // [blocks], in the range of the codes; null but for affine
  void* d_x;                  // [rows, cols] of dtype, dense
  float* d_scale;             // [blocks], or null; null for log2
  float* d_zero_point;        // [blocks], or null; null but for affine

  HALFWORD_INLINE int64_t pieces_of_row() const {
    const int64_t cols = blocks.block_cols < blocks.cols ? blocks.block_cols : blocks.cols;
    return (cols + kPiece - 1) / kPiece;
  }
};

void fake_quantize_backward_cpu(const FakeQuantizeBackwardParams& params, ParallelFor parallel);

// On CUDA all pointers are the device's.
size_t fake_quantize_backward_scratch_bytes(const FakeQuantizeBackwardParams& params);
CudaStatus fake_quantize_backward_cuda(const FakeQuantizeBackwardParams& params, void* scratch,
                                       CudaStream stream);

}  // namespace halfword
