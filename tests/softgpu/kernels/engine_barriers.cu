// Barriers of a block: what they compute, misuse, deadlocks and livelocks.
#include "kernels/engine_case.h"

namespace {

__device__ __forceinline__ void helper_with_barrier(int* tile, int value) {
  tile[threadIdx.x] = value;
  __syncthreads();
}

}  // namespace

CASE(barrier_reductions, 1, 96) {
  const int t = threadIdx.x;
  data[t] = __syncthreads_count(t % 3 == 0);
  data[96 + t] = __syncthreads_or(t == 95) + 2 * __syncthreads_or(t == 96);
  data[192 + t] = __syncthreads_and(t < 96) + 2 * __syncthreads_and(t != 95);
}

// All threads meet at one barrier's two inlined copies, one after the other.
CASE(helper_called_twice, 1, 64) {
  __shared__ int a[64], b[64];
  helper_with_barrier(a, threadIdx.x);
  helper_with_barrier(b, a[63 - threadIdx.x]);
  data[threadIdx.x] = b[(threadIdx.x + 1) % 64];
}

// Some threads leave; the rest need not wait for them.
CASE(early_exit, 1, 64) {
  if (threadIdx.x >= 40) return;
  __shared__ int tile[40];
  tile[threadIdx.x] = threadIdx.x;
  __syncthreads();
  data[threadIdx.x] = tile[39 - threadIdx.x];
}

// The first warp produces, the second consumes: two barriers of 64, arrive here and sync there.
CASE(named_barriers, 1, 64) {
  __shared__ int box[32];
  const int lane = threadIdx.x % 32;
  for (int i = 0; i < 4; ++i) {
    if (threadIdx.x < 32) {
      if (i > 0) asm volatile("bar.sync 2, 64;" ::: "memory");
      box[lane] = lane * 10 + i;
      asm volatile("bar.arrive 1, 64;" ::: "memory");
    } else {
      asm volatile("bar.sync 1, 64;" ::: "memory");
      data[i * 32 + lane] = box[31 - lane];
      if (i < 3) asm volatile("bar.arrive 2, 64;" ::: "memory");
    }
  }
}

// Counts are of whole warps: the second has 8 threads.
CASE(count_of_a_partial_warp, 1, 40) {
  __shared__ int tile[40];
  tile[threadIdx.x] = threadIdx.x;
  asm volatile("bar.sync 1, 64;" ::: "memory");
  data[threadIdx.x] = tile[39 - threadIdx.x];
}

CASE(different_barriers, 1, 64) {
  if (threadIdx.x < 32) {
    data[threadIdx.x] = 1;
    asm volatile("bar.sync 0; // first" ::: "memory");  // <- first_of_two
  } else {
    data[threadIdx.x] = 2;
    asm volatile("bar.sync 0; // second" ::: "memory");  // <- second_of_two
  }
}

CASE(counts_disagree, 1, 64) {
  if (threadIdx.x < 32) {
    asm volatile("bar.sync 1, 64;" ::: "memory");  // <- count_64
  } else {
    asm volatile("bar.sync 1, 32;" ::: "memory");  // <- count_32
  }
}

CASE(deadlock, 2, 64) {
  if (threadIdx.x < 10) {
    asm volatile("bar.sync 1, 64;" ::: "memory");  // <- ten_wait
  } else {
    asm volatile("barrier.sync 0;" ::: "memory");  // <- the_rest_wait
  }
}

CASE(spins_on_volatile, 1, 32) {
  auto* flag = static_cast<volatile int*>(data);
  while (*flag == 0) continue;  // <- spins_on_volatile
}

// nvcc reads again each time, but the loads are ordinary ones: nothing says they ever see a store.
CASE(spins_on_ordinary_load, 2, 32) {
  while (data[0] == 0) asm volatile("" ::: "memory");  // <- spins_on_ordinary_load
}

CASE(spins_on_lock, 2, 32) {
  while (atomicCAS(data, 0, 1) != 0) continue;  // <- spins_on_lock
}

CASE(spins_asleep, 1, 1) {
  while (atomicAdd(data, 0) == 0) __nanosleep(100);  // <- spins_asleep
}

// A wait that ends: whoever spins must not starve the one thread that everybody waits for.
CASE(all_wait_for_one, 3, 64) {
  auto* flag = static_cast<volatile int*>(data);
  if (blockIdx.x == 1 && threadIdx.x == 37) {
    for (int i = 0; i < 100; ++i) data[10 + i] += i;
    __threadfence();
    *flag = 1;
  }
  while (*flag == 0) continue;
}

// A lock: its holder is left alone, however long the others spin.
CASE(lock, 2, 64) {
  for (bool done = false; !done;) {
    if (atomicCAS(data, 0, 1) != 0) continue;
    __threadfence();
    data[1] += 1;
    __threadfence();
    atomicExch(data, 0);
    done = true;
  }
}

// For the message of a launch after one that failed.
CASE(good_launch, 2, 64) {
  const int i = blockIdx.x * 64 + threadIdx.x;
  __shared__ int tile[64];
  tile[threadIdx.x] = i;
  __syncthreads();
  data[i] = tile[63 - threadIdx.x];
}
