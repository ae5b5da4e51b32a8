// Work that several blocks do together without waiting for each other: who comes last finishes it.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace halfword {

// True for all threads of the block that is the last of `blocks` to come here, which then sees what
// the others wrote before they came. `come` is 0 before the first of them.
__device__ __forceinline__ bool is_last_block(uint64_t* come, int64_t blocks) {
  __shared__ bool last;
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();  // what this block wrote before its ticket
    const auto ticket = atomicAdd(reinterpret_cast<unsigned long long*>(come), 1ull);
    last = static_cast<int64_t>(ticket) + 1 == blocks;
    __threadfence();  // the last ticket before what the others wrote
  }
  __syncthreads();
  return last;
}

}  // namespace halfword
