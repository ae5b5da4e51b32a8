// Rules of asynchronous instructions, each broken once: one block of 128 threads that is right but
// for that. What is said about it is in tests/softgpu/test_async_rules.py.
#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/ptx.cuh"
#include "kernels/tensor_maps.h"

namespace {

enum Rule {
  kNoMBarrier,
  kOverwrittenMBarrier,
  kSecondInit,
  kInvalidatedMBarrier,
  kCopiedMBarrier,
  kMulticastOutside,
  kOddSize,
  kForeignTensorMap,
  kOtherRank,
  kReadBeforeWait,
  kSourceReused,
  kSourceReusedAfterWait,  // allowed
  kAccumulatorsWritten,
  kBaseOffset,
  kWgmmaWithoutProxyFence,
  kARegistersReused,
  kARegistersKept,  // allowed
  kRules,
};

constexpr int kThreads = 128;
constexpr int kBytes = 1024;

struct Arguments {
  const char* from;
  int* to;  // [kThreads]
};

struct Shared {
  int memory[64 * 64];  // K-major operands of a product at its start
  uint64_t barrier;
  uint64_t other;
};

__device__ void bulk_load(uint32_t to, const void* from, uint32_t bytes, uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(to),
      "l"(from), "r"(bytes), "r"(barrier)
      : "memory");
}
__device__ void bulk_store(void* to, uint32_t from, uint32_t bytes) {
  asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(to), "r"(from),
               "r"(bytes)
               : "memory");
}
__device__ void tensor_load_3d(uint32_t to, const void* map, uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], "
      "[%1, {%3, %3, %3}], [%2];" ::"r"(to),
      "l"(map), "r"(barrier), "r"(0)
      : "memory");
}
// Without swizzle: eight rows of 16 bytes are 128 bytes, the two halves of k follow one another.
__device__ uint64_t descriptor(uint32_t address) {
  return (address & 0x3ffff) >> 4 | uint64_t{128 >> 4} << 16 | uint64_t{256 >> 4} << 32;
}
__device__ void wgmma_n8(int (&d)[4], uint64_t a, uint64_t b) {
  asm volatile("wgmma.mma_async.sync.aligned.m64n8k32.s32.s8.s8 {%0, %1, %2, %3}, %4, %5, 1;"
               : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
               : "l"(a), "l"(b));
}
__device__ void wgmma_n8_registers(int (&d)[4], uint32_t a, uint64_t b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n8k32.s32.s8.s8 {%0, %1, %2, %3}, {%4, %4, %4, %4}, %5, 1;"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
      : "r"(a), "l"(b));
}

__device__ void break_mbarrier(int rule, Shared& shared) {
  const uint32_t barrier = ptx::shared_address(&shared.barrier);
  if (rule != kNoMBarrier) ptx::mbarrier_init(barrier, 1);
  if (rule == kOverwrittenMBarrier) shared.barrier = 0;
  if (rule == kSecondInit) ptx::mbarrier_init(barrier, 1);
  if (rule == kInvalidatedMBarrier) ptx::mbarrier_inval(barrier);
  if (rule == kCopiedMBarrier) {
    shared.other = shared.barrier;
    ptx::mbarrier_arrive(ptx::shared_address(&shared.other));
  }
  ptx::mbarrier_arrive(barrier);
}

__device__ void break_load(int rule, Shared& shared, const CUtensorMap& map, const Arguments& x) {
  const uint32_t barrier = ptx::shared_address(&shared.barrier);
  const uint32_t to = ptx::shared_address(shared.memory);
  ptx::mbarrier_init(barrier, 1);
  ptx::fence_mbarrier_init();
  ptx::mbarrier_arrive_expect_tx(barrier, kBytes);
  if (rule == kMulticastOutside) ptx::tensor_load_2d_multicast(to, &map, 0, 0, barrier, 6);
  if (rule == kForeignTensorMap) ptx::tensor_load_2d(to, x.from, 0, 0, barrier);
  if (rule == kOtherRank) tensor_load_3d(to, &map, barrier);
  bulk_load(to, x.from, rule == kOddSize ? kBytes - 8 : kBytes, barrier);
  if (rule == kReadBeforeWait) x.to[0] = shared.memory[5];
  ptx::mbarrier_wait_parity(barrier, 0);
}

__device__ void break_store(int rule, Shared& shared, const Arguments& x) {
  for (int i = 0; i < kThreads; ++i) shared.memory[i] = i;
  ptx::fence_proxy_async();
  bulk_store(x.to, ptx::shared_address(shared.memory), kThreads * 4);
  ptx::bulk_commit();
  if (rule == kSourceReusedAfterWait) ptx::bulk_wait_read<0>();
  shared.memory[7] = -1;
  ptx::bulk_wait<0>();
}

__device__ void break_product(int rule, Shared& shared, int ones, const Arguments& x) {
  for (int i = threadIdx.x; i < 64 * 64; i += kThreads) shared.memory[i] = 0x01010101;
  if (rule != kWgmmaWithoutProxyFence) ptx::fence_proxy_async();
  __syncthreads();
  const uint64_t b = descriptor(ptx::shared_address(shared.memory));
  int d[4] = {};
  ptx::wgmma_fence();
  if (rule == kARegistersReused || rule == kARegistersKept) {
#pragma unroll 1
    for (int i = 0; i < 3; ++i) {
      wgmma_n8_registers(d, static_cast<uint32_t>(ones << i), b);
      ptx::wgmma_commit();
      if (rule == kARegistersKept) ptx::wgmma_wait<0>(), ptx::wgmma_fence();
    }
  } else {
    wgmma_n8(d, rule == kBaseOffset ? b | uint64_t{1} << 49 : b, b);
    ptx::wgmma_commit();
  }
  if (rule == kAccumulatorsWritten) asm volatile("mov.b32 %0, 5;" : "+r"(d[2]));
  ptx::wgmma_wait<0>();
  asm volatile("" : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3]));
  x.to[threadIdx.x] = d[0];
}

template <int kRule>
__global__ void __launch_bounds__(kThreads)
    rule_kernel(const __grid_constant__ CUtensorMap map, int ones, Arguments x) {
  __shared__ __align__(1024) Shared shared;
  if (kRule >= kAccumulatorsWritten) {
    break_product(kRule, shared, ones, x);
  } else if (threadIdx.x == 0) {
    if (kRule <= kCopiedMBarrier) {
      break_mbarrier(kRule, shared);
    } else if (kRule <= kReadBeforeWait) {
      break_load(kRule, shared, map, x);
    } else {
      break_store(kRule, shared, x);
    }
  }
}

template <int kRule>
void launch(int rule, const CUtensorMap& map, const Arguments& x) {
  if constexpr (kRule < kRules) {
    constexpr int kOnes = 0x01010101;
    if (rule == kRule) {
      rule_kernel<kRule><<<1, kThreads>>>(map, kOnes, x);
    } else {
      launch<kRule + 1>(rule, map, x);
    }
  }
}

}  // namespace

// Device pointers: from: 1024 bytes, to: [128]. Returns a cudaError_t.
extern "C" __attribute__((visibility("default"))) int run_rule(int rule, const char* from,
                                                               int* to) {
  TensorMapShape shape{};
  shape.type = CU_TENSOR_MAP_DATA_TYPE_UINT8;
  shape.rank = 2;
  shape.size[0] = shape.box[0] = 64;
  shape.size[1] = shape.box[1] = 16;
  shape.stride[0] = 64;
  CUtensorMap map;
  if (make_tensor_map(&map, from, shape) != CUDA_SUCCESS) return cudaErrorInvalidValue;
  launch<0>(rule, map, {from, to});
  const cudaError_t launched = cudaGetLastError();
  const cudaError_t ended = cudaDeviceSynchronize();
  return launched != cudaSuccess ? launched : ended;
}
