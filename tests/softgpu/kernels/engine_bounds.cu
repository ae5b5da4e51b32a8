// Accesses that are out of bounds, misaligned, or of memory that has not been written.
// Indices are read from `data`, zeros, so that nvcc cannot see them.
#include "kernels/engine_case.h"

CASE(global_past_the_end, 1, 32) {
  data[kInts - 32 + 2 + threadIdx.x] = 1;  // <- global_past_the_end
}

CASE(global_before_the_beginning, 1, 32) {
  data[0] = data[static_cast<int>(threadIdx.x) - 1];  // <- global_before_the_beginning
}

CASE(global_half_outside, 1, 1) {
  auto* last = reinterpret_cast<int2*>(data + kInts);
  data[0] = last[data[1] - 1].x;   // the last pair inside
  *(last + data[1]) = int2{1, 2};  // <- global_half_outside
}

CASE(global_null, 1, 1) {
  int* nowhere = reinterpret_cast<int*>(static_cast<size_t>(data[0]));
  data[1] = *nowhere;  // <- global_null
}

CASE(misaligned_word, 1, 1) {
  auto* bytes = reinterpret_cast<char*>(data);
  *reinterpret_cast<int*>(bytes + 2 + data[0]) = 1;  // <- misaligned_word
}

CASE(misaligned_vector, 1, 1) {
  const int4 vector = *reinterpret_cast<int4*>(data + 1 + data[0]);  // <- misaligned_vector
  data[9] = vector.x + vector.y + vector.z + vector.w;
}

CASE(shared_past_the_end, 1, 32) {
  __shared__ int other[8];
  __shared__ int tile[32];
  other[threadIdx.x % 8] = 0;
  __syncthreads();
  tile[threadIdx.x + 3 + data[threadIdx.x]] = 1;  // <- shared_past_the_end
  __syncthreads();
  data[threadIdx.x] = tile[threadIdx.x] + other[threadIdx.x % 8];
}

CASE(shared_half_outside, 1, 1) {
  alignas(8) __shared__ int tile[3];
  for (int i = 0; i < 3; ++i) tile[i + data[i]] = i;
  const int2 pair = *reinterpret_cast<int2*>(tile + 2 + data[0]);  // <- shared_half_outside
  data[0] = pair.x + pair.y;
}

extern __shared__ int dynamic[];

__global__ void dynamic_past_the_end_kernel(int* data) {
  dynamic[threadIdx.x + data[0]] = 1;  // <- dynamic_past_the_end
  __syncthreads();
  data[threadIdx.x] = dynamic[31 - threadIdx.x];
}
LAUNCHER(dynamic_past_the_end, 1, 32, 31 * sizeof(int), false)

__global__ void dynamic_in_bounds_kernel(int* data) {
  dynamic[threadIdx.x + data[33]] = threadIdx.x;
  __syncthreads();
  data[threadIdx.x] = dynamic[31 - threadIdx.x];
  if (threadIdx.x == 0) data[32] = __cvta_generic_to_shared(dynamic) % 1024;
}
LAUNCHER(dynamic_in_bounds, 1, 32, 32 * sizeof(int), false)

CASE(local_past_the_end, 1, 1) {
  int local[8];
  for (int i = 0; i < 8; ++i) local[i + data[i]] = i;
  data[0] = local[data[1] + 8];  // <- local_past_the_end
}

CASE(shared_of_another_block, 2, 32) {
  __shared__ int mine;
  if (threadIdx.x == 0) mine = blockIdx.x;
  auto** box = reinterpret_cast<int**>(data) + 8;
  if (threadIdx.x == 0) {
    int* before = reinterpret_cast<int*>(atomicExch(reinterpret_cast<unsigned long long*>(box),
                                                    reinterpret_cast<unsigned long long>(&mine)));
    if (before != nullptr) data[0] = *before;  // <- shared_of_another_block
  }
}

// data[0]: how many words of shared memory were 0 at the start of a block.
CASE(garbage_in_shared, 4, 32) {
  __shared__ int tile[256];
  int zeros = 0;
  for (int i = threadIdx.x; i < 256; i += 32) zeros += tile[i] == 0;
  atomicAdd(data, zeros);
  __syncthreads();
  for (int i = threadIdx.x; i < 256; i += 32) tile[i] = data[1];
  __syncthreads();
  data[2 + threadIdx.x] = tile[(data[1] + threadIdx.x) % 256];
}

CASE(trap, 1, 32) {
  if (threadIdx.x == 7) __trap();  // <- trap
}

// Sets every int of memory that a test lends.
__global__ void fill_lent_kernel(int* memory, int count) {
  for (int i = threadIdx.x; i < count; i += blockDim.x) memory[i] = i;  // <- fill_lent
}
extern "C" __attribute__((visibility("default"))) cudaError_t fill_lent(int* memory, int count) {
  fill_lent_kernel<<<1, 32>>>(memory, count);
  return cudaDeviceSynchronize();
}
