// Kernels whose bytes, sectors and bank conflicts are known.
#include "kernels/engine_case.h"

// 128 ints, each loaded and stored once.
CASE(count_copy, 2, 64) {
  const int i = blockIdx.x * 64 + threadIdx.x;
  data[128 + i] = data[i];
}

// One int of each sector.
CASE(count_strided, 1, 32) { data[512 + threadIdx.x] = data[threadIdx.x * 8]; }

// Every block reads the same 32 ints.
CASE(count_reread, 4, 32) { data[512 + blockIdx.x * 32 + threadIdx.x] = data[threadIdx.x]; }

CASE(count_conflicts, 1, 32) {
  __shared__ int tile[32 * 32];
  for (int i = 0; i < 32; ++i) tile[i * 32 + threadIdx.x] = data[threadIdx.x];
  __syncthreads();
  data[threadIdx.x] = tile[threadIdx.x * 32 + data[0]];  // all lanes in one bank
}
