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

// Where the blocks that share a tile leave their sums, and count who came.
struct GemmShared {
  int32_t* sums;   // [places][warps_k][height][n] of the tile
  uint64_t* come;  // [shared tiles], 0 before the first block
};

struct GemmKernelParams {
  GemmFinish finish;
  GemmOperand a;
  GemmOperand b;
  GemmRows rows;
  int64_t n_tiles;
  StreamK work;
  GemmShared shared;
};

// Tile kTile of kGemmTiles. Instantiated in gemm_int8_few_rows.cu and gemm_int8_many_rows.cu.
template <int kTile>
cudaError_t launch_gemm(const GemmKernelParams& params, cudaStream_t stream);

}  // namespace halfword
