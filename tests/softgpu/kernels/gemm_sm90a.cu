// INT8 GEMM for sm_90a: C[M, N] = A[M, K] B[N, K]^T in int32. Tiles of 64 x 64 x 128; one thread of
// the first warpgroup copies by TMA into a ring of stages, the second multiplies by wgmma. K must
// be a multiple of 16, and N of 4 where C is stored by TMA.
//
// Three variants: plain; clusters of two blocks along M, which each load half of B for both; C
// through shared memory and a TMA store. kBug plants one bug (tests/softgpu/test_planted_tensor.py
// says what each breaks); 0 is right.
#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/ptx.cuh"
#include "kernels/tensor_maps.h"

namespace {

enum Variant { kPlain, kCluster, kTensorStore };

enum Bug {
  kRight,
  kNoInitSync,
  kNoInitFence,
  kNoEmptyWait,
  kExpectTooFew,
  kExpectTooMany,
  kNoFullWait,
  kWrongParity,
  kParityNeverFlips,
  kInvertedTryWait,
  kNoWgmmaFence,
  kReleasedEarly,
  kNoLastWait,
  kWrongStride,
  kWrongSwizzle,
  kSwappedDescriptors,
  kSameSliceOfK,
  kDescriptorsDiffer,
  kTooManyArrivals,
  kTooFewArrivals,
  kLostLastTile,
  kNoRowGuard,
  kMisalignedStage,
  kClusterBugs,
  kOneThreadReleases = kClusterBugs,
  kNoExitBarrier,
  kMulticastToOne,
  kSameHalfTwice,
  kReleasesOwnOnly,
  kStoreBugs,
  kNoProxyFence = kStoreBugs,
  kNoStoreBarrier,
  kNoStoreWait,
  kStoreTransposed,
  kBugs,
};

constexpr int kTileM = 64, kTileN = 64, kTileK = 128;
constexpr int kStages = 3;
constexpr int kThreads = 256;
constexpr int kABytes = kTileM * kTileK, kBBytes = kTileN * kTileK;
constexpr int kStageBytes = kABytes + kBBytes;

constexpr int kWarpsThatConsume = 4;

struct Shared {
  char stage[kStages][kStageBytes];
  int32_t c[kTileM * kTileN];
  uint64_t full[kStages];
  uint64_t empty[kStages];
  char slack[64];  // for kMisalignedStage
};

struct GemmParams {
  int32_t* c;
  int m;
  int n;
  int k;
};

// A K-major tile with rows of 128 bytes under the 128-byte swizzle: eight rows are 1024 bytes.
template <int kBug>
__device__ uint64_t descriptor(uint32_t tile) {
  constexpr uint64_t kStride = kBug == kWrongStride ? 512 : 1024;
  constexpr uint64_t kMode = kBug == kWrongSwizzle ? 2 : 1;  // 64 bytes, or 128
  return (tile & 0x3ffff) >> 4 | uint64_t{1} << 16 | kStride >> 4 << 32 | kMode << 62;
}

template <int kBug>
__device__ void wait(uint32_t barrier, uint32_t parity) {
  if (kBug == kInvertedTryWait) {
    while (ptx::mbarrier_try_wait_parity(barrier, parity)) continue;
  } else {
    ptx::mbarrier_wait_parity(barrier, parity);
  }
}

__device__ uint32_t parity_of(int tile) { return tile / kStages & 1; }

template <int kBug, int kVariant>
__device__ void produce(Shared& shared, const CUtensorMap& a, const CUtensorMap& b, int tiles,
                        int m0, int n0, uint32_t rank) {
  for (int t = 0; t < tiles; ++t) {
    const int s = t % kStages;
    const uint32_t full = ptx::shared_address(&shared.full[s]);
    uint32_t stage = ptx::shared_address(shared.stage[s]);
    if (kBug == kMisalignedStage) stage += 64;
    if (kBug != kNoEmptyWait) {
      ptx::mbarrier_wait_parity(ptx::shared_address(&shared.empty[s]), parity_of(t) ^ 1);
    }
    constexpr int kExpected = kBug == kExpectTooFew    ? kABytes
                              : kBug == kExpectTooMany ? kStageBytes + 16
                                                       : kStageBytes;
    ptx::mbarrier_arrive_expect_tx(full, kExpected);
    ptx::tensor_load_2d(stage, &a, t * kTileK, m0, full);
    if (kVariant == kCluster) {
      const uint32_t half = kBug == kSameHalfTwice ? 0 : rank;
      const uint16_t blocks = kBug == kMulticastToOne ? 1 : 3;
      ptx::tensor_load_2d_multicast(stage + kABytes + half * (kBBytes / 2), &b, t * kTileK,
                                    n0 + static_cast<int>(half) * (kTileN / 2), full, blocks);
    } else {
      ptx::tensor_load_2d(stage + kABytes, &b, t * kTileK, n0, full);
    }
  }
}

// One warp lets the producers of all blocks that write this stage have it back.
template <int kBug, int kVariant>
__device__ void release(Shared& shared, int s, int thread, uint32_t rank) {
  const uint32_t empty = ptx::shared_address(&shared.empty[s]);
  const bool releases = kBug == kOneThreadReleases ? thread == 0
                        : kBug == kTooManyArrivals ? true
                                                   : thread % 32 == 0;
  if (!releases) return;
  if (kVariant != kCluster) {
    ptx::mbarrier_arrive(empty);
  } else if (kBug == kReleasesOwnOnly) {
    ptx::mbarrier_arrive_cluster(ptx::map_to_block(empty, rank));
  } else {
    ptx::mbarrier_arrive_cluster(ptx::map_to_block(empty, 0));
    ptx::mbarrier_arrive_cluster(ptx::map_to_block(empty, 1));
  }
}

template <int kBug>
__device__ void multiply(uint32_t stage, int thread, int (&acc)[32]) {
#pragma unroll
  for (int step = 0; step < kTileK / 32; ++step) {
    const uint32_t slice = kBug == kSameSliceOfK ? 0 : step * 32;
    uint64_t a = descriptor<kBug>(stage + slice);
    const uint64_t b = descriptor<kBug>(stage + kABytes + slice);
    if (kBug == kDescriptorsDiffer) a += thread / 32;
    if (kBug == kSwappedDescriptors) {
      ptx::wgmma_m64n64k32_s8(acc, b, a);
    } else {
      ptx::wgmma_m64n64k32_s8(acc, a, b);
    }
  }
}

template <int kBug, int kVariant>
__device__ void consume(Shared& shared, int tiles, int thread, uint32_t rank, int (&acc)[32]) {
  for (int t = 0; t < tiles; ++t) {
    const int s = t % kStages;
    const uint32_t parity = kBug == kWrongParity        ? parity_of(t) ^ 1
                            : kBug == kParityNeverFlips ? 0
                                                        : parity_of(t);
    if (kBug != kNoFullWait) wait<kBug>(ptx::shared_address(&shared.full[s]), parity);
    if (kBug != kNoWgmmaFence) ptx::wgmma_fence();
    uint32_t stage = ptx::shared_address(shared.stage[s]);
    multiply<kBug>(stage, thread, acc);
    ptx::wgmma_commit();
    if (kBug == kReleasedEarly) release<kBug, kVariant>(shared, s, thread, rank);
    ptx::wgmma_wait<1>();
    const int previous = (t + kStages - 1) % kStages;
    if (kBug != kReleasedEarly && t > 0) release<kBug, kVariant>(shared, previous, thread, rank);
  }
  if (kBug != kNoLastWait) ptx::wgmma_wait<0>();
}

// Accumulator i of a thread: where in the tile.
__device__ int row_of(int thread, int i) {
  return thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8;
}
__device__ int column_of(int thread, int i) { return i / 4 * 8 + thread % 4 * 2 + i % 2; }

template <int kBug>
__device__ void store_directly(const GemmParams& p, int m0, int n0, int thread,
                               const int (&acc)[32]) {
#pragma unroll
  for (int i = 0; i < 32; ++i) {
    const int m = m0 + row_of(thread, i), n = n0 + column_of(thread, i);
    if ((kBug == kNoRowGuard || m < p.m) && n < p.n) p.c[int64_t{m} * p.n + n] = acc[i];
  }
}

template <int kBug>
__device__ void store_by_tensor(Shared& shared, const CUtensorMap& c, int m0, int n0, int thread,
                                const int (&acc)[32]) {
#pragma unroll
  for (int i = 0; i < 32; ++i) {
    shared.c[row_of(thread, i) * kTileN + column_of(thread, i)] = acc[i];
  }
  if (kBug != kNoProxyFence) ptx::fence_proxy_async();
  if (kBug != kNoStoreBarrier) asm volatile("bar.sync 1, 128;" ::: "memory");
  if (thread != 0) return;
  const int x = kBug == kStoreTransposed ? m0 : n0, y = kBug == kStoreTransposed ? n0 : m0;
  ptx::tensor_store_2d(&c, x, y, ptx::shared_address(shared.c));
  ptx::bulk_commit();
  if (kBug != kNoStoreWait) ptx::bulk_wait_read<0>();
}

template <int kBug, int kVariant>
__device__ void init_barriers(Shared& shared, int tid) {
  if (tid == 0) {
    constexpr int kBlocks = kVariant == kCluster ? 2 : 1;
    constexpr int kReleases = kBug == kOneThreadReleases ? kBlocks
                              : kBug == kTooFewArrivals  ? kWarpsThatConsume * kBlocks + 1
                                                         : kWarpsThatConsume * kBlocks;
    for (int s = 0; s < kStages; ++s) {
      ptx::mbarrier_init(ptx::shared_address(&shared.full[s]), 1);
      ptx::mbarrier_init(ptx::shared_address(&shared.empty[s]), kReleases);
    }
    if (kBug != kNoInitFence) ptx::fence_mbarrier_init();
  }
  if (kBug == kNoInitSync) return;
  if (kVariant == kCluster) {
    ptx::cluster_sync();
  } else {
    __syncthreads();
  }
}

template <int kBug, int kVariant>
__global__ void __launch_bounds__(kThreads)
    gemm_s8_sm90_kernel(const __grid_constant__ CUtensorMap a,
                        const __grid_constant__ CUtensorMap b,
                        const __grid_constant__ CUtensorMap c, GemmParams p) {
  extern __shared__ __align__(1024) char memory[];
  Shared& shared = *reinterpret_cast<Shared*>(memory);
  const int tid = threadIdx.x, m0 = blockIdx.x * kTileM, n0 = blockIdx.y * kTileN;
  const uint32_t rank = kVariant == kCluster ? ptx::cluster_rank() : 0;
  const int tiles = kBug == kLostLastTile ? p.k / kTileK : (p.k + kTileK - 1) / kTileK;
  init_barriers<kBug, kVariant>(shared, tid);
  if (tid == 0) {
    produce<kBug, kVariant>(shared, a, b, tiles, m0, n0, rank);
  } else if (tid >= 128) {
    int acc[32] = {};
    consume<kBug, kVariant>(shared, tiles, tid - 128, rank, acc);
    if (kVariant == kTensorStore) {
      store_by_tensor<kBug>(shared, c, m0, n0, tid - 128, acc);
    } else {
      store_directly<kBug>(p, m0, n0, tid - 128, acc);
    }
  }
  // The other block may still copy into this one, or release stages here.
  if (kVariant == kCluster && kBug != kNoExitBarrier) ptx::cluster_sync();
}

TensorMapShape matrix_shape(CUtensorMapDataType type, uint32_t size, int rows, int columns,
                            uint32_t box_rows, uint32_t box_columns, CUtensorMapSwizzle swizzle) {
  TensorMapShape shape{};
  shape.type = type;
  shape.rank = 2;
  shape.size[0] = static_cast<uint64_t>(columns);
  shape.size[1] = static_cast<uint64_t>(rows);
  shape.stride[0] = static_cast<uint64_t>(columns) * size;
  shape.box[0] = box_columns;
  shape.box[1] = box_rows;
  shape.swizzle = swizzle;
  return shape;
}

struct Operands {
  const int8_t* a;
  const int8_t* b;
};

template <int kBug, int kVariant>
cudaError_t launch(const Operands& x, const GemmParams& p) {
  constexpr uint32_t kBoxOfB = kVariant == kCluster ? kTileN / 2 : kTileN;
  CUtensorMap a{}, b{}, c{};
  const auto u8 = CU_TENSOR_MAP_DATA_TYPE_UINT8;
  const auto swizzle = CU_TENSOR_MAP_SWIZZLE_128B;
  CUresult made = make_tensor_map(&a, x.a, matrix_shape(u8, 1, p.m, p.k, kTileM, kTileK, swizzle));
  if (made != CUDA_SUCCESS) return cudaErrorInvalidValue;
  made = make_tensor_map(&b, x.b, matrix_shape(u8, 1, p.n, p.k, kBoxOfB, kTileK, swizzle));
  if (made != CUDA_SUCCESS) return cudaErrorInvalidValue;
  if (kVariant == kTensorStore) {
    made = make_tensor_map(&c, p.c,
                           matrix_shape(CU_TENSOR_MAP_DATA_TYPE_INT32, 4, p.m, p.n, kTileM, kTileN,
                                        CU_TENSOR_MAP_SWIZZLE_NONE));
    if (made != CUDA_SUCCESS) return cudaErrorInvalidValue;
  }
  constexpr unsigned kBlocks = kVariant == kCluster ? 2 : 1;
  const auto kernel = gemm_s8_sm90_kernel<kBug, kVariant>;
  const cudaError_t set =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, sizeof(Shared));
  if (set != cudaSuccess) return set;
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim = {kBlocks, 1, 1};
  cudaLaunchConfig_t config{};
  const unsigned tiles_m = (p.m + kTileM - 1) / kTileM;
  config.gridDim = dim3((tiles_m + kBlocks - 1) / kBlocks * kBlocks, (p.n + kTileN - 1) / kTileN);
  config.blockDim = dim3(kThreads);
  config.dynamicSmemBytes = sizeof(Shared);
  config.attrs = &attribute;
  config.numAttrs = kBlocks > 1 ? 1 : 0;
  return cudaLaunchKernelEx(&config, kernel, a, b, c, p);
}

template <int kBug>
cudaError_t launch_bug(int bug, const Operands& x, const GemmParams& p) {
  if constexpr (kBug == kBugs) {
    return cudaErrorInvalidValue;
  } else {
    constexpr int kVariant = kBug >= kStoreBugs     ? kTensorStore
                             : kBug >= kClusterBugs ? kCluster
                                                    : kPlain;
    return bug == kBug ? launch<kBug, kVariant>(x, p) : launch_bug<kBug + 1>(bug, x, p);
  }
}

cudaError_t launch_right(int variant, const Operands& x, const GemmParams& p) {
  switch (variant) {
    case kPlain: return launch<kRight, kPlain>(x, p);
    case kCluster: return launch<kRight, kCluster>(x, p);
    default: return launch<kRight, kTensorStore>(x, p);
  }
}

}  // namespace

// Device pointers; the variant counts for the right kernel only, each bug has its own. Returns a
// cudaError_t.
extern "C" __attribute__((visibility("default"))) int run_gemm_sm90(int bug, int variant,
                                                                    const int8_t* a,
                                                                    const int8_t* b, int32_t* c,
                                                                    int m, int n, int k) {
  const GemmParams p{c, m, n, k};
  const cudaError_t launched =
      bug == kRight ? launch_right(variant, {a, b}, p) : launch_bug<0>(bug, {a, b}, p);
  const cudaError_t ended = cudaDeviceSynchronize();
  return launched != cudaSuccess ? launched : ended;
}
