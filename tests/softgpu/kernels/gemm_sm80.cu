// INT8 GEMM for sm_80: C[M, N] = A[M, K] B[N, K]^T in int32. Tiles of 64 x 64 x 64, four warps of
// 32 x 32, cp.async into two stages, ldmatrix and mma.m16n8k32. K must be a multiple of 16.
//
// kBug plants one bug (tests/softgpu/test_planted_tensor.py says what each breaks); 0 is right.
#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/ptx.cuh"

namespace {

enum Bug {
  kRight,
  kNoBarrierAfterWait,
  kNoBarrierBeforeReuse,
  kWaitOneGroupEarly,
  kNoWait,
  kNoCommit,
  kUnguardedRows,
  kNoZeroFill,
  kSourceSizeOfRow,
  kNoColumnGuard,
  kNoRowGuard,
  kOffByOneRow,
  kSwizzleOnStoreOnly,
  kSwizzleOutOfTile,
  kSwappedARegisters,
  kSwappedBRegisters,
  kLostLastTile,
  kWrongStage,
  kBarrierInBranch,
  kBugs,
};

constexpr int kTile = 64;  // of M, N and K
constexpr int kStages = 2;
constexpr int kThreads = 128;
constexpr int kChunk = 16;  // bytes of a cp.async and of a row of an ldmatrix
constexpr int kTileBytes = kTile * kTile;

struct GemmParams {
  const int8_t* a;
  const int8_t* b;
  int32_t* c;
  int m;
  int n;
  int k;
};

// A row is four chunks, so two rows share the 128 bytes of all banks: the chunk is xored with half
// the row's number.
__device__ int chunk_offset(int row, int chunk, bool swizzle = true) {
  return row * kTile + (swizzle ? chunk ^ (row >> 1 & 3) : chunk) * kChunk;
}

// Starts copying rows first_row.. of a matrix of rows x k at column k0; zeros beyond its edges.
template <int kBug>
__device__ void load_tile(uint32_t tile, const int8_t* matrix, int rows, int k, int first_row,
                          int k0) {
  for (int i = threadIdx.x; i < kTileBytes / kChunk; i += kThreads) {
    const int row = i / 4, chunk = i % 4;
    const int r = first_row + row, c = k0 + chunk * kChunk;
    const int last = kBug == kOffByOneRow ? rows + 1 : rows;
    const bool inside = (kBug == kUnguardedRows || r < last) && c < k;
    const int8_t* from = inside ? matrix + int64_t{r} * k + c : matrix;
    uint32_t bytes = inside ? kChunk : 0;
    if (kBug == kNoZeroFill) bytes = kChunk;
    if (kBug == kSourceSizeOfRow && inside) bytes = min(kChunk, k - c - 4);
    int offset = chunk_offset(row, chunk);
    if (kBug == kSwizzleOutOfTile) offset = row * kTile + (chunk ^ (row >> 1 & 7)) * kChunk;
    ptx::cp_async_16(tile + offset, from, bytes);
  }
}

template <int kBug>
__device__ void multiply_tile(uint32_t a_tile, uint32_t b_tile, int warp_m, int warp_n, int lane,
                              int (&acc)[2][4][4]) {
  const bool swizzle = kBug != kSwizzleOnStoreOnly;
#pragma unroll
  for (int step = 0; step < kTile / 32; ++step) {
    uint32_t a[2][4], b[2][4];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      // Of A: rows 0-7 and 8-15 of the first 16 bytes of k, then of the second. Of B: columns 0-7
      // with both halves of k, then columns 8-15.
      const int a_row = warp_m + i * 16 + lane % 16,
                b_row = warp_n + i * 16 + lane % 8 + lane / 16 * 8;
      ptx::ldmatrix_x4(a[i], a_tile + chunk_offset(a_row, step * 2 + lane / 16, swizzle));
      ptx::ldmatrix_x4(b[i], b_tile + chunk_offset(b_row, step * 2 + lane / 8 % 2, swizzle));
      if (kBug == kSwappedARegisters) {
        const uint32_t a1 = a[i][1];
        a[i][1] = a[i][2];
        a[i][2] = a1;
      }
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        uint32_t b0 = b[j / 2][j % 2 * 2], b1 = b[j / 2][j % 2 * 2 + 1];
        if (kBug == kSwappedBRegisters) {
          const uint32_t first = b0;
          b0 = b1;
          b1 = first;
        }
        ptx::mma_m16n8k32_s8(acc[i][j], a[i], b0, b1);
      }
    }
  }
}

template <int kBug>
__device__ void store_tile(const GemmParams& p, int m0, int n0, int lane,
                           const int (&acc)[2][4][4]) {
#pragma unroll
  for (int i = 0; i < 2; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        const int m = m0 + i * 16 + lane / 4 + r / 2 * 8, n = n0 + j * 8 + lane % 4 * 2 + r % 2;
        const bool inside = (kBug == kNoRowGuard || m < p.m) && (kBug == kNoColumnGuard || n < p.n);
        if (inside) p.c[int64_t{m} * p.n + n] = acc[i][j][r];
      }
    }
  }
}

template <int kBug>
__global__ void __launch_bounds__(kThreads) gemm_s8_sm80_kernel(GemmParams p) {
  __shared__ __align__(128) char stages[kStages][2][kTileBytes];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int m0 = blockIdx.y * kTile, n0 = blockIdx.x * kTile;
  const int warp_m = warp / 2 * 32, warp_n = warp % 2 * 32;
  int tiles = (p.k + kTile - 1) / kTile;
  if (kBug == kLostLastTile) tiles = p.k / kTile;

  const auto load = [&](int t) {
    load_tile<kBug>(ptx::shared_address(stages[t % kStages][0]), p.a, p.m, p.k, m0, t * kTile);
    load_tile<kBug>(ptx::shared_address(stages[t % kStages][1]), p.b, p.n, p.k, n0, t * kTile);
  };
  const auto commit = [] {
    if (kBug != kNoCommit) ptx::cp_async_commit();
  };

  int acc[2][4][4] = {};
  load(0);
  commit();
  for (int t = 0; t < tiles; ++t) {
    if (t + 1 < tiles) load(t + 1);
    commit();
    if (kBug != kNoWait) ptx::cp_async_wait<(kBug == kWaitOneGroupEarly ? 2 : 1)>();
    if (kBug == kBarrierInBranch) {
      if (warp_m == 0) __syncthreads();
    } else if (kBug != kNoBarrierAfterWait) {
      __syncthreads();
    }
    const int stage = (kBug == kWrongStage ? t + 1 : t) % kStages;
    multiply_tile<kBug>(ptx::shared_address(stages[stage][0]),
                        ptx::shared_address(stages[stage][1]), warp_m, warp_n, lane, acc);
    if (kBug != kNoBarrierBeforeReuse) __syncthreads();
  }
  store_tile<kBug>(p, m0 + warp_m, n0 + warp_n, lane, acc);
}

template <int kBug>
cudaError_t launch(const GemmParams& p) {
  const dim3 grid((p.n + kTile - 1) / kTile, (p.m + kTile - 1) / kTile);
  gemm_s8_sm80_kernel<kBug><<<grid, kThreads>>>(p);
  return cudaGetLastError();
}

template <int kBug>
cudaError_t launch_bug(int bug, const GemmParams& p) {
  if constexpr (kBug == kBugs) {
    return cudaErrorInvalidValue;
  } else {
    return bug == kBug ? launch<kBug>(p) : launch_bug<kBug + 1>(bug, p);
  }
}

}  // namespace

// Device pointers. Returns a cudaError_t.
extern "C" __attribute__((visibility("default"))) int run_gemm_sm80(int bug, const int8_t* a,
                                                                    const int8_t* b, int32_t* c,
                                                                    int m, int n, int k) {
  const cudaError_t launched = launch_bug<0>(bug, {a, b, c, m, n, k});
  const cudaError_t ended = cudaDeviceSynchronize();
  return launched != cudaSuccess ? launched : ended;
}
