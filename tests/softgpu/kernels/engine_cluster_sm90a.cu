// Clusters of two blocks: their barrier, and shared memory of the other block.
#include <cooperative_groups.h>

#include <cstdint>

#include "kernels/engine_case.h"

namespace {

namespace cg = cooperative_groups;

enum Bug { kRight, kNoFirstBarrier, kNoLastBarrier, kRelaxedArrive, kPastTheEnd, kNoSuchRank };

__device__ uint32_t address_in(const void* shared, uint32_t rank) {
  uint32_t address;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;"
               : "=r"(address)
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(shared))), "r"(rank));
  return address;
}

// Each block reads what the other wrote, and that is not gone before it has.
template <int kBug>
__device__ void swap_between_blocks(int* data) {
  __shared__ int tile[32];
  const auto cluster = cg::this_cluster();
  const uint32_t rank = cluster.block_rank();
  tile[threadIdx.x] = blockIdx.x * 100 + threadIdx.x;
  if (kBug == kRelaxedArrive) {
    asm volatile("barrier.cluster.arrive.relaxed;" ::: "memory");
    asm volatile("barrier.cluster.wait;" ::: "memory");
  } else if (kBug != kNoFirstBarrier) {
    cluster.sync();
  }
  const uint32_t other = address_in(tile, kBug == kNoSuchRank ? rank + 2 : rank ^ 1);
  const uint32_t word = 31 - threadIdx.x + (kBug == kPastTheEnd ? 1 : 0);
  int value;
  asm volatile("ld.shared::cluster.s32 %0, [%1];"  // <- load_of_the_other
               : "=r"(value)
               : "r"(other + word * 4)
               : "memory");
  data[blockIdx.x * 32 + threadIdx.x] = value;
  if (kBug != kNoLastBarrier) cluster.sync();
}

}  // namespace

#define SWAP_CASE(name, bug)                                           \
  __global__ void __cluster_dims__(2, 1, 1) name##_kernel(int* data) { \
    swap_between_blocks<bug>(data);                                    \
  }                                                                    \
  LAUNCHER(name, 4, 32, 0, false)

SWAP_CASE(cluster_swap, kRight)
SWAP_CASE(cluster_no_first_barrier, kNoFirstBarrier)
SWAP_CASE(cluster_no_last_barrier, kNoLastBarrier)
SWAP_CASE(cluster_relaxed_arrive, kRelaxedArrive)
SWAP_CASE(cluster_past_the_end, kPastTheEnd)
SWAP_CASE(cluster_no_such_rank, kNoSuchRank)

// The same through generic addresses.
__global__ void __cluster_dims__(2, 1, 1) cluster_generic_kernel(int* data) {
  __shared__ int tile[32];
  const auto cluster = cg::this_cluster();
  tile[threadIdx.x] = blockIdx.x * 100 + threadIdx.x;
  cluster.sync();
  const int* other = cluster.map_shared_rank(tile, cluster.block_rank() ^ 1);
  data[blockIdx.x * 32 + threadIdx.x] = other[31 - threadIdx.x];
  cluster.sync();
}
LAUNCHER(cluster_generic, 4, 32, 0, false)

CASE(elects_one, 1, 32) {
  asm volatile(
      "{ .reg .pred p; .reg .b32 lane; elect.sync lane|p, -1; @p st.global.u32 [%0], 1; "
      "st.global.u32 [%1], lane; }" ::"l"(data + threadIdx.x),
      "l"(data + 32 + threadIdx.x)
      : "memory");
}
