// What the host tells the kernels of gemm_w4a16.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "cuda/gemm_output.h"
#include "cuda/gemm_w4a16_plan.h"
#include "cuda/stream_k.h"
#include "ops/gemm_w4a16.h"

namespace halfword {

// Activations as 16-bit numbers, one each or three that add up to it. Rows begin at multiples of 16
// bytes.
struct GemmW4A16Activations {
  const uint8_t* data;  // [terms][m][k]
  int64_t pitch;        // bytes from row to row
  int64_t term_stride;  // and from term to term
};

struct GemmW4A16KernelParams {
  GemmOutput out;
  GemmPacks packs;
  GemmW4A16Activations a;
  Int4Matrix b;     // its data at a multiple of 16
  int64_t b_pitch;  // bytes from row to row
  int64_t groups;
  int group;   // columns, no more than there are
  int slice;   // columns
  int slices;  // that have columns; at least one

  // The tiles of one launch.
  int first_m;  // its first row of activations
  int64_t m_tiles;
  int64_t n_tiles;
  StreamK blocks;
  int64_t parts;   // of a shared tile
  float* planes;   // of shared tiles: sums of every slice
  uint64_t* come;  // how many of a shared tile's blocks have put their sums there
};

struct BFloat16Pairs;  // of gemm_w4a16_weights.cuh
struct Float16Pairs;

// Tile kTile of kGemmW4A16Tiles, with the arithmetic of Pairs. Instantiated in
// gemm_w4a16_bfloat16.cu, gemm_w4a16_float16.cu and gemm_w4a16_float32.cu.
template <int kTile, class Pairs>
cudaError_t launch_gemm_w4a16(const GemmW4A16KernelParams& params, cudaStream_t stream);

// FP32 as three BF16 terms.
struct GemmW4A16Terms {
  const float* from;  // [m, k]; columns are consecutive
  int64_t stride;
  int64_t m;
  int64_t k;
  uint8_t* to;          // [3][m][pitch], zeros past k
  int64_t pitch;        // bytes, a multiple of 16
  int64_t term_stride;  // bytes
};
cudaError_t launch_gemm_w4a16_terms(const GemmW4A16Terms& terms, cudaStream_t stream);

}  // namespace halfword
