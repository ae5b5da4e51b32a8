// Races, and orders that look like races, inside a block. tests/softgpu/test_engine_race.py says
// which is which.
#include "kernels/engine_case.h"

namespace {
__device__ __forceinline__ int mirrored(int threads) { return threads - 1 - threadIdx.x; }
}  // namespace

CASE(no_barrier, 1, 64) {
  __shared__ int tile[64];
  tile[threadIdx.x] = threadIdx.x;         // <- no_barrier_store
  data[threadIdx.x] = tile[mirrored(64)];  // <- no_barrier_load
}

CASE(with_barrier, 1, 64) {
  __shared__ int tile[64];
  for (int i = 0; i < 3; ++i) {
    tile[threadIdx.x] = threadIdx.x;
    __syncthreads();
    data[threadIdx.x] += tile[mirrored(64)];
    __syncthreads();
  }
}

CASE(second_barrier_missing, 1, 64) {
  __shared__ int tile[64];
  for (int i = 0; i < 3; ++i) {
    tile[threadIdx.x] = threadIdx.x + i;
    __syncthreads();
    data[threadIdx.x] += tile[mirrored(64)];
  }
}

CASE(warp_synchronized, 1, 64) {
  __shared__ int tile[64];
  tile[threadIdx.x] = threadIdx.x;
  __syncwarp();
  data[threadIdx.x] = tile[threadIdx.x ^ 31];
}

CASE(warp_barrier_is_too_narrow, 1, 64) {
  __shared__ int tile[64];
  tile[threadIdx.x] = threadIdx.x;
  __syncwarp();
  data[threadIdx.x] = tile[threadIdx.x ^ 63];
}

CASE(shuffle_does_not_order, 1, 32) {
  __shared__ int tile[32];
  tile[threadIdx.x] = threadIdx.x;
  const int zero = __shfl_sync(kFullMask, data[threadIdx.x], 0);
  data[threadIdx.x] = tile[31 - threadIdx.x + zero];
}

CASE(everybody_reads, 4, 64) {
  const int first = data[0];
  __syncthreads();
  data[1 + blockIdx.x * 64 + threadIdx.x] = first + data[1000];
}

CASE(write_after_many_reads, 1, 64) {
  const int first = data[0];
  data[1 + threadIdx.x] = first;
  if (threadIdx.x == 63) data[0] = 1;
}

CASE(neighbouring_bytes, 2, 64) {
  reinterpret_cast<char*>(data)[blockIdx.x * 64 + threadIdx.x] = static_cast<char>(threadIdx.x);
}

CASE(byte_and_its_word, 1, 64) {
  auto* bytes = reinterpret_cast<char*>(data);
  if (threadIdx.x == 3) bytes[6] = 1;
  if (threadIdx.x == 40) data[2] = data[1];
}

CASE(bytes_then_words_with_barrier, 1, 64) {
  __shared__ char bytes[64];
  bytes[threadIdx.x] = static_cast<char>(threadIdx.x);
  __syncthreads();
  if (threadIdx.x < 16) data[threadIdx.x] = reinterpret_cast<int*>(bytes)[threadIdx.x];
}

CASE(atomics_do_not_race, 2, 64) { atomicAdd(&data[threadIdx.x % 4], 1); }

CASE(atomic_and_store, 1, 64) {
  if (threadIdx.x == 0) data[0] = 5;
  if (threadIdx.x == 33) atomicAdd(data, 1);
}

CASE(atomic_and_later_load, 1, 64) {
  atomicAdd(data, 1);
  __syncthreads();
  data[1 + threadIdx.x] = data[0];
}

CASE(atomic_and_early_load, 1, 64) {
  atomicAdd(data, 1);
  if (threadIdx.x == 5) data[1] = data[0];
}

CASE(block_scope_atomics_in_a_block, 1, 64) { atomicAdd_block(data, 1); }

CASE(block_scope_atomics_between_blocks, 2, 64) { atomicAdd_block(data, 1); }

CASE(volatile_flag_in_a_block, 1, 64) {
  __shared__ int payload;
  __shared__ volatile int flag;
  if (threadIdx.x == 0) flag = 0;
  __syncthreads();
  if (threadIdx.x == 0) {
    payload = data[1] + 7;
    __threadfence_block();
    flag = 1;
  }
  if (threadIdx.x == 40) {
    while (flag == 0) continue;
    __threadfence_block();
    data[0] = payload;
  }
}

CASE(volatile_flag_without_fence, 1, 64) {
  __shared__ int payload;
  __shared__ volatile int flag;
  if (threadIdx.x == 0) flag = 0;
  __syncthreads();
  if (threadIdx.x == 0) {
    payload = data[1] + 7;
    flag = 1;
  }
  if (threadIdx.x == 40) {
    while (flag == 0) continue;
    __threadfence_block();
    data[0] = payload;
  }
}

// The producer only arrives; what it wrote before, the others see.
CASE(arrive_orders, 1, 64) {
  __shared__ int box[32];
  const int lane = threadIdx.x % 32;
  if (threadIdx.x < 32) {
    box[lane] = lane;
    asm volatile("bar.arrive 1, 64;" ::: "memory");
  } else {
    asm volatile("bar.sync 1, 64;" ::: "memory");
    data[lane] = box[31 - lane];
  }
}

CASE(store_after_arrive, 1, 64) {
  __shared__ int box[32];
  const int lane = threadIdx.x % 32;
  if (threadIdx.x < 32) {
    asm volatile("bar.arrive 1, 64;" ::: "memory");
    box[lane] = lane;
  } else {
    asm volatile("bar.sync 1, 64;" ::: "memory");
    data[lane] = box[31 - lane];
  }
}
