// What the host tells the kernels of a GEMM.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "cuda/gemm_int8_plan.h"
#include "cuda/gemm_output.h"
#include "ops/gemm_int8.h"

namespace halfword {

// Rows of a matrix of bytes, which begin at multiples of 16.
struct GemmOperand {
  const int8_t* data;
  int64_t pitch;
  int64_t rows;
};

// What comes after the sums, and where it goes.
struct GemmFinish {
  GemmInt8Params gemm;
  const int64_t* sums;  // of the rows of b, computed; null: gemm.b_sums
  GemmPacks packs;
};

struct GemmKernelParams {
  GemmFinish finish;
  GemmOperand a;
  GemmOperand b;
  int64_t m_tiles;
  int64_t n_tiles;
  int64_t steps;
  int64_t split_stride;  // with more than one split: elements of out from one's sums to the next's
  int height;            // rows of a in a block
};

// Tile kTile of kGemmTiles. Instantiated in gemm_int8_few_rows.cu and gemm_int8_many_rows.cu.
template <int kTile>
cudaError_t launch_gemm(const GemmKernelParams& params, int64_t splits, cudaStream_t stream);

// The sums of all splits, [splits][m][pitch], added in their order and finished.
cudaError_t launch_gemm_finish(const GemmFinish& finish, const int32_t* sums, int64_t splits,
                               int64_t pitch, cudaStream_t stream);

}  // namespace halfword
