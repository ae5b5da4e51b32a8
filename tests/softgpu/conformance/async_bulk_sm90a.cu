// Bulk copies and reductions, and copies between the blocks of a cluster.
#include "conformance/buffers.cuh"
#include "kernels/ptx.cuh"

namespace {

constexpr int kThreads = 32;
constexpr int kBytes = 256;
constexpr int kWords = kBytes / 4;

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
__device__ void bulk_copy(uint32_t to, uint32_t from, uint32_t bytes, uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%0], [%1], %2, "
      "[%3];" ::"r"(to),
      "r"(from), "r"(bytes), "r"(barrier)
      : "memory");
}
__device__ void init(uint32_t barrier, uint32_t bytes) {
  ptx::mbarrier_init(barrier, 1);
  ptx::fence_mbarrier_init();
  ptx::mbarrier_arrive_expect_tx(barrier, bytes);
}

// global -> shared -> global
__global__ void through_kernel(const char* from, char* to) {
  __shared__ __align__(128) char memory[kBytes];
  __shared__ uint64_t barrier;
  const uint32_t full = ptx::shared_address(&barrier);
  if (threadIdx.x != 0) return;
  init(full, kBytes);
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(from), "r"(kBytes) : "memory");
  bulk_load(ptx::shared_address(memory), from, kBytes, full);
  ptx::mbarrier_wait_parity(full, 0);
  bulk_store(to, ptx::shared_address(memory), kBytes);
  ptx::bulk_commit();
  ptx::bulk_wait_read<0>();
}

// Block 0 copies its shared memory to block 1: by a bulk copy, and again by st.async.
__global__ void __cluster_dims__(2, 1, 1) between_kernel(const uint32_t* from, uint32_t* to) {
  __shared__ __align__(128) uint32_t memory[kWords], received[2 * kWords];
  __shared__ uint64_t barrier;
  const uint32_t full = ptx::shared_address(&barrier), rank = ptx::cluster_rank();
  if (threadIdx.x == 0) init(full, rank == 1 ? 2 * kBytes : 0);
  for (int i = threadIdx.x; i < kWords; i += kThreads) memory[i] = from[i];
  ptx::fence_proxy_async();
  ptx::cluster_sync();
  if (rank == 0) {
    const uint32_t remote = ptx::map_to_block(ptx::shared_address(received), 1);
    const uint32_t remote_full = ptx::map_to_block(full, 1);
    if (threadIdx.x == 0) {
      bulk_copy(remote, ptx::shared_address(memory), kBytes, remote_full);
    }
    for (int i = threadIdx.x; i < kWords; i += kThreads) {
      asm volatile(
          "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.u32 [%0], %1, [%2];" ::"r"(
              remote + kBytes + 4 * i),
          "r"(memory[i]), "r"(remote_full)
          : "memory");
    }
  } else {
    ptx::mbarrier_wait_parity(full, 0);
    for (int i = threadIdx.x; i < 2 * kWords; i += kThreads) to[i] = received[i];
  }
  ptx::cluster_sync();
}

template <int kForm>
__device__ void reduce(void* to, uint32_t from, uint32_t bytes);

#define REDUCE(form, operation)                                                  \
  template <>                                                                    \
  __device__ void reduce<form>(void* to, uint32_t from, uint32_t bytes) {        \
    asm volatile("cp.reduce.async.bulk.global.shared::cta.bulk_group." operation \
                 " [%0], [%1], %2;" ::"l"(to),                                   \
                 "r"(from), "r"(bytes)                                           \
                 : "memory");                                                    \
  }
REDUCE(0, "add.u32")
REDUCE(1, "add.s32")
REDUCE(2, "add.u64")
REDUCE(3, "inc.u32")
REDUCE(4, "dec.u32")
REDUCE(5, "min.u32")
REDUCE(6, "max.u32")
REDUCE(7, "min.s32")
REDUCE(8, "max.s32")
REDUCE(9, "min.u64")
REDUCE(10, "max.u64")
REDUCE(11, "min.s64")
REDUCE(12, "max.s64")
REDUCE(13, "and.b32")
REDUCE(14, "or.b32")
REDUCE(15, "xor.b32")
REDUCE(16, "and.b64")
REDUCE(17, "or.b64")
REDUCE(18, "xor.b64")
REDUCE(19, "add.f32")
REDUCE(20, "add.f64")
REDUCE(21, "add.noftz.f16")
REDUCE(22, "add.noftz.bf16")
REDUCE(23, "min.f16")
REDUCE(24, "max.f16")
REDUCE(25, "min.bf16")
REDUCE(26, "max.bf16")
constexpr int kForms = 27;

template <int kForm>
__global__ void reduce_kernel(const uint32_t* from, void* to) {
  __shared__ __align__(128) uint32_t memory[kWords];
  for (int i = threadIdx.x; i < kWords; i += kThreads) memory[i] = from[i];
  ptx::fence_proxy_async();
  __syncthreads();
  if (threadIdx.x != 0) return;
  reduce<kForm>(to, ptx::shared_address(memory), kBytes);
  ptx::bulk_commit();
  ptx::bulk_wait<0>();
}

template <int kForm>
void launch_reduce(int form, const uint32_t* from, void* to) {
  if constexpr (kForm < kForms) {
    if (form == kForm) {
      reduce_kernel<kForm><<<1, kThreads>>>(from, to);
    } else {
      launch_reduce<kForm + 1>(form, from, to);
    }
  }
}

// add.s32 from block 0 to the shared memory of block 1.
__global__ void __cluster_dims__(2, 1, 1)
    reduce_between_kernel(const uint32_t* from, uint32_t* to) {
  __shared__ __align__(128) uint32_t memory[kWords], received[kWords];
  __shared__ uint64_t barrier;
  const uint32_t full = ptx::shared_address(&barrier), rank = ptx::cluster_rank();
  if (threadIdx.x == 0) init(full, rank == 1 ? kBytes : 0);
  for (int i = threadIdx.x; i < kWords; i += kThreads) {
    memory[i] = from[i];
    received[i] = to[i];
  }
  ptx::fence_proxy_async();
  ptx::cluster_sync();
  if (rank == 0 && threadIdx.x == 0) {
    asm volatile(
        "cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes.add.s32 "
        "[%0], [%1], %2, [%3];" ::"r"(ptx::map_to_block(ptx::shared_address(received), 1)),
        "r"(ptx::shared_address(memory)), "r"(kBytes), "r"(ptx::map_to_block(full, 1))
        : "memory");
  }
  if (rank == 1) {
    ptx::mbarrier_wait_parity(full, 0);
    for (int i = threadIdx.x; i < kWords; i += kThreads) to[i] = received[i];
  }
  ptx::cluster_sync();
}

}  // namespace

// from, to: 256 bytes
CONFORMANCE_API int run_bulk_through(char* from, char* to) {
  conformance::Buffer<char> in(from, kBytes), out(to, kBytes);
  through_kernel<<<1, kThreads>>>(in.device(), out.device());
  const int status = conformance::finish();
  out.copy_back();
  return status;
}

// from: 256 bytes; to: twice that, by a bulk copy and by st.async
CONFORMANCE_API int run_bulk_between(uint32_t* from, uint32_t* to) {
  conformance::Buffer<uint32_t> in(from, kWords), out(to, 2 * kWords);
  between_kernel<<<2, kThreads>>>(in.device(), out.device());
  const int status = conformance::finish();
  out.copy_back();
  return status;
}

// from, to: 256 bytes; form: of REDUCE
CONFORMANCE_API int run_bulk_reduce(int form, uint32_t* from, uint32_t* to) {
  conformance::Buffer<uint32_t> in(from, kWords), out(to, kWords);
  launch_reduce<0>(form, in.device(), out.device());
  const int status = conformance::finish();
  out.copy_back();
  return status;
}

CONFORMANCE_API int run_bulk_reduce_between(uint32_t* from, uint32_t* to) {
  conformance::Buffer<uint32_t> in(from, kWords), out(to, kWords);
  reduce_between_kernel<<<2, kThreads>>>(in.device(), out.device());
  const int status = conformance::finish();
  out.copy_back();
  return status;
}
