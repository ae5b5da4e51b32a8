// Launches that CUDA refuses, and kernels that fail.
#include "cudart/programs/program.h"

namespace {

constexpr int kBound = 128;

__global__ void __launch_bounds__(kBound) bounded(int* out) {
  if (threadIdx.x < kCount) out[threadIdx.x] = 1;
}

extern __shared__ int dynamic[];

__global__ void uses_dynamic_shared(int* out, int words) {
  for (int i = threadIdx.x; i < words; i += blockDim.x) dynamic[i] = i;
  __syncthreads();
  if (threadIdx.x == 0) *out = dynamic[words - 1];
}

__constant__ int table[4] = {10, 20, 30, 40};
__device__ int counter = 5;

__global__ void reads_variables(int* out) {
  out[threadIdx.x] = table[threadIdx.x] + counter;
  __syncthreads();
  if (threadIdx.x == 0) counter += 1;
}

__global__ void writes_out_of_bounds(int* out) { out[kCount + threadIdx.x] = 1; }

// As large as parameters can be; a little more does not compile.
struct Large {
  int values[(32764 - sizeof(int*)) / sizeof(int)];
};

__global__ void takes_much(int* out, Large large) {
  *out = large.values[sizeof(large.values) / sizeof(int) - 1];
}

}  // namespace

// A launch of this shape, and nothing else.
PROGRAM launch_bounded(unsigned grid_x, unsigned grid_y, unsigned block, unsigned shared) {
  Bench bench;
  const dim3 grid(grid_x, grid_y);
  bounded<<<grid, block, shared>>>(bench.out);
  return cudaGetLastError();
}

PROGRAM launch_with_shared(int bytes, bool opt_in, int* result) {
  Bench bench;
  const int before = 48 * 1024;
  TRY(cudaFuncSetAttribute(uses_dynamic_shared, cudaFuncAttributeMaxDynamicSharedMemorySize,
                           opt_in ? bytes : before));
  uses_dynamic_shared<<<1, 32, bytes>>>(bench.out, bytes / static_cast<int>(sizeof(int)));
  TRY(cudaGetLastError());
  return cudaMemcpy(result, bench.out, sizeof(int), cudaMemcpyDeviceToHost);
}

PROGRAM launch_cluster(unsigned grid, unsigned cluster, bool non_portable) {
  Bench bench;
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim = {cluster, 1, 1};
  cudaLaunchConfig_t configuration{};
  configuration.gridDim = grid;
  configuration.blockDim = 32;
  configuration.attrs = &attribute;
  configuration.numAttrs = 1;
  TRY(cudaFuncSetAttribute(bounded, cudaFuncAttributeNonPortableClusterSizeAllowed, non_portable));
  TRY(cudaLaunchKernelEx(&configuration, bounded, bench.out));
  return cudaDeviceSynchronize();
}

PROGRAM launch_cooperative(unsigned grid, int* blocks) {
  Bench bench;
  void* arguments[] = {&bench.out};
  TRY(cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, bounded, kBound, 0));
  TRY(cudaLaunchCooperativeKernel(bounded, grid, kBound, arguments, 0, nullptr));
  return cudaDeviceSynchronize();
}

PROGRAM launch_with_large_parameters(int* result) {
  Bench bench;
  Large large;
  int next = 0;
  for (int& value : large.values) value = next++;
  takes_much<<<1, 1>>>(bench.out, large);
  TRY(cudaGetLastError());
  for (int& value : large.values) value = 0;  // the launch has its own copy
  return cudaMemcpy(result, bench.out, sizeof(int), cudaMemcpyDeviceToHost);
}

// A stream of another device.
PROGRAM launch_on_the_stream_of_another_device() {
  Bench bench;
  TRY(cudaSetDevice(1));
  const cudaError_t status = launch_fill(bench.out, 7, bench.first);
  TRY(cudaSetDevice(0));
  return status;
}

PROGRAM function_attributes(cudaFuncAttributes* attributes) {
  return cudaFuncGetAttributes(attributes, bounded);
}

// What a constant table and a counter give; `add` goes into the table first. Each device has both.
PROGRAM variables(int device, int add, int* result) {
  TRY(cudaSetDevice(device));
  int* out = nullptr;
  TRY(cudaMalloc(&out, sizeof table));
  int values[4];
  TRY(cudaMemcpyFromSymbol(values, table, sizeof table));
  for (int& value : values) value += add;
  TRY(cudaMemcpyToSymbol(table, values, sizeof table));
  reads_variables<<<1, 4>>>(out);
  TRY(cudaGetLastError());
  TRY(cudaMemcpy(result, out, sizeof table, cudaMemcpyDeviceToHost));
  TRY(cudaFree(out));
  return cudaSetDevice(0);
}

// The error of a kernel comes later than its launch, and stays. `statuses`: launch, synchronize,
// the next call, cudaGetLastError twice.
PROGRAM kernel_that_fails(int* statuses) {
  Bench bench;
  writes_out_of_bounds<<<1, 32>>>(bench.out);
  statuses[0] = cudaGetLastError();
  statuses[1] = cudaDeviceSynchronize();
  void* memory = nullptr;
  statuses[2] = cudaMalloc(&memory, kBytes);
  statuses[3] = cudaGetLastError();
  statuses[4] = cudaGetLastError();
  return cudaSuccess;
}

// An error of a call is forgotten once it was asked for. `statuses`: the call, peek, get, get.
PROGRAM call_that_fails(int* statuses) {
  statuses[0] = cudaSetDevice(99);
  statuses[1] = cudaPeekAtLastError();
  statuses[2] = cudaGetLastError();
  statuses[3] = cudaGetLastError();
  return cudaSuccess;
}

// On memory that the caller names.
PROGRAM twice_into(int* out, const int* in) { return launch_twice(out, in, nullptr); }
