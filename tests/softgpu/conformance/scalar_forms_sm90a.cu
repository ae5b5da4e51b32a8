// Forms of PTX beyond single instructions: calls, local arrays, branch tables, variables with
// addresses in them, kernel parameters read by address, special registers, barrier reductions.
#include <cuda_runtime.h>

#include <cstdint>

namespace {

__device__ int table[4] = {10, 20, 30, 40};
__device__ int* middle = table + 2;
__constant__ double halves[3] = {0.5, 1.5, 2.5};
__device__ unsigned char letters[3] = {'a', 'b', 'c'};

struct Pair {
  int first;
  int values[5];
};

__noinline__ __device__ Pair scaled(Pair p, int by) {
  p.first *= by;
  p.values[by & 3] += by;  // an index that only a local array can have
  return p;
}

__noinline__ __device__ int factorial(int n) { return n <= 1 ? 1 : n * factorial(n - 1); }

__noinline__ __device__ int through_shared(int x) {
  __shared__ int seen[64];
  seen[threadIdx.x] = x;
  __syncthreads();
  return seen[threadIdx.x ^ 1];
}

__global__ void calls(int* out) {
  const int i = threadIdx.x;
  const Pair p = scaled(Pair{i, {1, 2, 3, 4, 5}}, i);
  int* own = out + 4 * i;
  own[0] = p.first + p.values[0] + 10 * p.values[1] + 100 * p.values[2] + 1000 * p.values[3];
  own[1] = factorial(i % 10);
  own[2] = through_shared(3 * i);
  own[3] = scaled(p, 2).first;
}

__global__ void branch_table(int* out) {
  const unsigned i = threadIdx.x % 4;
  int result;
  asm volatile(
      "{\n"
      "cases: .branchtargets zero, one, two, three;\n"
      "  brx.idx %1, cases;\n"
      "zero: mov.u32 %0, 5; bra done;\n"
      "one: mov.u32 %0, 6; bra done;\n"
      "two: mov.u32 %0, 7; bra done;\n"
      "three: mov.u32 %0, 8;\n"
      "done:\n"
      "}"
      : "=r"(result)
      : "r"(i));
  out[threadIdx.x] = result;
}

// Two scopes with registers and labels of the same names, one inside the other.
__global__ void scopes(int* out) {
  int result;
  asm volatile(
      "{ .reg .u32 t; .reg .pred p; mov.u32 t, 1; setp.eq.u32 p, %1, 0;\n"
      "  @p bra skip;\n"
      "  { .reg .u32 t; .reg .pred p; mov.u32 t, 100; setp.gt.u32 p, %1, 3;\n"
      "    @!p bra skip;\n"
      "    add.u32 t, t, 1;\n"
      "  skip: mov.u32 %0, t; }\n"
      "  add.u32 t, t, %0;\n"
      "skip: @p mov.u32 %0, 0;\n"
      "  add.u32 %0, %0, t; }"
      : "=r"(result)
      : "r"(threadIdx.x));
  out[threadIdx.x] = result;
}

__global__ void variables(int* out) {
  const int i = threadIdx.x;
  out[i] = middle[i % 2] + static_cast<int>(2 * halves[i % 3]) + letters[i % 3];
}

__global__ void parameter_by_address(const __grid_constant__ Pair p, int* out) {
  out[threadIdx.x] = p.values[threadIdx.x % 5] + p.first;
}

__global__ void aligned_dynamic(int* out) {
  extern __shared__ __align__(1024) int words[];
  words[threadIdx.x] = 2 * threadIdx.x;
  __syncthreads();
  out[threadIdx.x] = words[63 - threadIdx.x] + (__cvta_generic_to_shared(words) % 1024 != 0);
}

__global__ void barrier_reductions(int* out) {
  const int i = threadIdx.x;
  out[3 * i] = __syncthreads_count(i % 3 == 0);
  out[3 * i + 1] = __syncthreads_and(i < 64) != 0;
  int any;
  asm volatile(
      "{ .reg .pred p, q; setp.eq.u32 p, %1, 63; barrier.cta.red.or.pred q, 1, 64, !p;\n"
      "  selp.u32 %0, 1, 0, q; }"
      : "=r"(any)
      : "r"(i));
  out[3 * i + 2] = any;
}

#define SPECIAL(name) asm volatile("mov.u32 %0, %%" name ";" : "=r"(*own++))

__global__ void __cluster_dims__(2, 1, 1) special_registers(uint32_t* out) {
  const unsigned block = blockIdx.x + gridDim.x * blockIdx.y;
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  uint32_t* own = out + 27 * (block * blockDim.x * blockDim.y * blockDim.z + thread);
  SPECIAL("tid.x");
  SPECIAL("tid.y");
  SPECIAL("tid.z");
  SPECIAL("ntid.x");
  SPECIAL("ntid.y");
  SPECIAL("ntid.z");
  SPECIAL("ctaid.x");
  SPECIAL("ctaid.y");
  SPECIAL("ctaid.z");
  SPECIAL("nctaid.x");
  SPECIAL("nctaid.y");
  SPECIAL("nctaid.z");
  SPECIAL("laneid");
  SPECIAL("clusterid.x");
  SPECIAL("clusterid.y");
  SPECIAL("nclusterid.x");
  SPECIAL("cluster_ctaid.x");
  SPECIAL("cluster_nctaid.x");
  SPECIAL("cluster_ctarank");
  SPECIAL("cluster_nctarank");
  SPECIAL("lanemask_eq");
  SPECIAL("lanemask_lt");
  SPECIAL("lanemask_le");
  SPECIAL("lanemask_gt");
  SPECIAL("lanemask_ge");
  SPECIAL("dynamic_smem_size");
  uint32_t explicit_cluster;
  asm volatile("{ .reg .pred p; mov.pred p, %%is_explicit_cluster; selp.u32 %0, 1, 0, p; }"
               : "=r"(explicit_cluster));
  *own = explicit_cluster;
}

}  // namespace

// Runs one of the kernels above on one block of 64 threads; special_registers on a grid.
extern "C" __attribute__((visibility("default"))) int run_form(int form, int* out, int count) {
  int* device = nullptr;
  if (cudaError_t error = cudaMalloc(&device, count * sizeof(int))) return error;
  switch (form) {
    case 0: calls<<<1, 64>>>(device); break;
    case 1: branch_table<<<1, 64>>>(device); break;
    case 2: scopes<<<1, 64>>>(device); break;
    case 3: variables<<<1, 64>>>(device); break;
    case 4: parameter_by_address<<<1, 64>>>(Pair{7, {1, 2, 3, 4, 5}}, device); break;
    case 5: aligned_dynamic<<<1, 64, 64 * sizeof(int)>>>(device); break;
    case 6: barrier_reductions<<<1, 64>>>(device); break;
    case 7:
      special_registers<<<dim3(4, 3), dim3(4, 3, 5), 128>>>(reinterpret_cast<uint32_t*>(device));
      break;
  }
  if (cudaError_t error = cudaGetLastError()) return error;
  const cudaError_t error = cudaMemcpy(out, device, count * sizeof(int), cudaMemcpyDeviceToHost);
  cudaFree(device);
  return error;
}
