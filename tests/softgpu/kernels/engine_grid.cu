// Patterns between blocks: tickets, flags, look-back, the grid barrier.
#include <cooperative_groups.h>

#include "kernels/engine_case.h"

namespace {

constexpr int kBlocks = 6;
constexpr int kThreads = 64;

enum Fences { kWriter = 1, kReader = 2, kBlockScope = 4, kVolatileReads = 8 };

template <int kFences>
__device__ void fence() {
  if (kFences & kBlockScope) {
    __threadfence_block();
  } else {
    __threadfence();
  }
}

// Each block leaves a partial sum; the last to finish adds them up. data[0] is the counter, data[1]
// the sum, partial sums follow.
template <int kFences>
__device__ void sum_by_ticket(int* data) {
  __shared__ bool last;
  int* partial = data + 2;
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = blockIdx.x + 1;  // <- partial_store
    if (kFences & kWriter) fence<kFences>();
    last = atomicAdd(data, 1) == kBlocks - 1;
  }
  __syncthreads();
  if (!last) return;
  if (kFences & kReader) fence<kFences>();
  if (threadIdx.x != 0) return;
  int sum = 0;
  for (int b = 0; b < kBlocks; ++b) {
    if constexpr ((kFences & kVolatileReads) != 0) {
      sum += static_cast<volatile int*>(partial)[b];
    } else {
      sum += partial[b];  // <- partial_load
    }
  }
  data[1] = sum;
  data[0] = 0;
}

}  // namespace

CASE(ticket, kBlocks, kThreads) { sum_by_ticket<kWriter | kReader>(data); }
CASE(ticket_volatile_reads, kBlocks, kThreads) { sum_by_ticket<kWriter | kVolatileReads>(data); }
CASE(ticket_without_writers_fence, kBlocks, kThreads) { sum_by_ticket<kReader>(data); }
CASE(ticket_without_readers_fence, kBlocks, kThreads) { sum_by_ticket<kWriter>(data); }
CASE(ticket_block_scope_fence, kBlocks, kThreads) {
  sum_by_ticket<kWriter | kReader | kBlockScope>(data);
}

// A histogram of atomics that the last block reads with ordinary loads.
CASE(histogram, kBlocks, kThreads) {
  atomicAdd(&data[16 + threadIdx.x % 8], 1);
  __shared__ bool last;
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    last = atomicAdd(data, 1) == kBlocks - 1;
    __threadfence();
  }
  __syncthreads();
  if (last && threadIdx.x < 8) data[32 + threadIdx.x] = data[16 + threadIdx.x];
}

CASE(histogram_without_fence, kBlocks, kThreads) {
  atomicAdd(&data[16 + threadIdx.x % 8], 1);
  __shared__ bool last;
  __syncthreads();
  if (threadIdx.x == 0) last = atomicAdd(data, 1) == kBlocks - 1;
  __syncthreads();
  if (last && threadIdx.x < 8) data[32 + threadIdx.x] = data[16 + threadIdx.x];
}

// Release and acquire instead of fences. data[0] is the flag, data[1] the message.
CASE(release_acquire, 2, 1) {
  if (blockIdx.x == 0) {
    data[1] = 7;
    asm volatile("st.release.gpu.global.s32 [%0], 1;" ::"l"(data) : "memory");
  } else {
    int flag = 0;
    while (flag == 0) {
      asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(flag) : "l"(data) : "memory");
    }
    data[2] = data[1];
  }
}

// The release is of a scope that ends with the block.
CASE(release_in_a_block_only, 2, 1) {
  if (blockIdx.x == 0) {
    data[1] = 7;
    asm volatile("st.release.cta.global.s32 [%0], 1;" ::"l"(data) : "memory");
  } else {
    int flag = 0;
    while (flag == 0) {
      asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(flag) : "l"(data) : "memory");
    }
    data[2] = data[1];
  }
}

CASE(relaxed_flag, 2, 1) {
  if (blockIdx.x == 0) {
    data[1] = 7;
    asm volatile("st.relaxed.gpu.global.s32 [%0], 1;" ::"l"(data) : "memory");
  } else {
    int flag = 0;
    while (flag == 0) {
      asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(flag) : "l"(data) : "memory");
    }
    data[2] = data[1];
  }
}

// Block 1 overwrites the flag that block 0 released; it had not acquired it.
CASE(overwritten_release, 3, 1) {
  auto* flag = static_cast<volatile int*>(data);
  if (blockIdx.x == 0) {
    data[1] = 7;
    __threadfence();
    *flag = 1;
  } else if (blockIdx.x == 1) {
    while (*flag != 1) continue;
    *flag = 2;
    flag[3] = 1;
  } else {
    while (flag[3] == 0) continue;  // so that the 1 is never seen
    data[4] = *flag;
    __threadfence();
    data[2] = data[1];
  }
}

// Block 2 hears of block 0's write through block 1.
CASE(transitive, 3, 1) {
  const auto wait = [](const volatile int* flag) {
    while (*flag == 0) continue;
    __threadfence();
  };
  const auto tell = [](volatile int* flag) {
    __threadfence();
    *flag = 1;
  };
  if (blockIdx.x == 0) {
    data[1] = 7;
    tell(data + 2);
  } else if (blockIdx.x == 1) {
    wait(data + 2);
    tell(data + 3);
  } else {
    wait(data + 3);
    data[4] = data[1];
  }
}

CASE(blocks_overlap, 2, 32) {
  data[blockIdx.x * 31 + threadIdx.x] = 1;  // <- blocks_overlap
}

// Prefix sums over blocks in the order of tickets, not of blockIdx: data[0] hands out tickets, a
// status and a value for each follow. Status 1: the block's own sum; 2: of all up to it.
CASE(look_back, 8, 32) {
  __shared__ int ticket;
  volatile int* status = data + 16;
  volatile int* value = data + 32;
  if (threadIdx.x == 0) {
    ticket = atomicAdd(data, 1);
    const int own = ticket + 1;
    value[ticket] = own;
    __threadfence();
    status[ticket] = 1;
    int before = 0;
    for (int back = ticket - 1; back >= 0; --back) {
      int seen;
      while ((seen = status[back]) == 0) continue;
      __threadfence();
      before += value[back + (seen == 2 ? 16 : 0)];
      if (seen == 2) break;
    }
    value[ticket + 16] = before + own;
    __threadfence();
    status[ticket] = 2;
    data[64 + ticket] = before + own;
  }
}

// Waits for the block before it: nothing says that one has begun.
CASE(look_back_by_index, 8, 32) {
  volatile int* done = data;
  if (threadIdx.x != 0) return;
  if (blockIdx.x > 0) {
    while (done[blockIdx.x - 1] == 0) continue;  // <- look_back_by_index
  }
  __threadfence();
  done[blockIdx.x] = 1;
}

// Rounds of neighbour exchange over the whole grid.
__global__ void grid_barrier_kernel(int* data) {
  const auto grid = cooperative_groups::this_grid();
  const int count = gridDim.x * blockDim.x;
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  data[i] = i;
  grid.sync();
  for (int round = 0; round < 4; ++round) {
    const int* from = data + round % 2 * count;
    int* to = data + (round + 1) % 2 * count;
    to[i] = from[(i + 1) % count] + 1;
    grid.sync();
  }
}
LAUNCHER(grid_barrier, 8, 48, 0, true)
