// A block a row (cuda/row_codes.cuh).
#include "ops/silu_mul_quantize.h"

#include "core/activation_math.h"
#include "cuda/row_codes.cuh"

namespace halfword {
namespace {

struct KernelParams {
  MatrixView gate;
  MatrixView up;
  int64_t rows;
  int64_t cols;
  RowCodes out;
  bool codes_aligned;
};

__global__ void __launch_bounds__(kThreads) silu_mul_quantize_kernel(const KernelParams p) {
  __shared__ BlockReducer::Memory memory;
  BlockReducer reducer(memory);
  RowChunk y;
  for (int64_t row = blockIdx.x; row < p.rows; row += gridDim.x) {
    const auto compute = [&](int64_t begin) {
      RowChunk up;
      load_chunk(p.gate, row, begin, p.cols, y);
      load_chunk(p.up, row, begin, p.cols, up);
#pragma unroll
      for (int j = 0; j < kHeld; ++j) {
#pragma unroll
        for (int e = 0; e < kEight; ++e) y[j].v[e] = silu(y[j].v[e]) * up[j].v[e];
      }
    };
    write_row_codes(p.out, p.codes_aligned, row, p.cols, reducer, y, compute);
  }
}

}  // namespace

CudaStatus silu_mul_quantize_cuda(const SiluMulQuantizeParams& params, CudaStream stream) {
  const int64_t rows = params.rows, cols = params.cols;
  const KernelParams p{view_rows(params.gate, params.gate_stride, params.dtype, rows, cols),
                       view_rows(params.up, params.up_stride, params.dtype, rows, cols),
                       rows,
                       cols,
                       params.out,
                       row_codes_aligned(params.out, rows, cols)};
  return launch_over_tiles<silu_mul_quantize_kernel>(rows, stream, p);
}

}  // namespace halfword
