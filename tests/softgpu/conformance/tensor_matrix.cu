// ldmatrix and movmatrix: one warp, one instruction.
#include "conformance/buffers.cuh"
#include "kernels/ptx.cuh"

namespace {

constexpr int kWarp = 32;
constexpr int kImageBytes = 1024;  // of shared memory, copied from the host as it is

template <int kCount, bool kTransposed>
__device__ void load(uint32_t (&d)[4], uint32_t address);

#define LOAD(count, transposed, suffix, registers, ...)                                \
  template <>                                                                          \
  __device__ void load<count, transposed>(uint32_t (&d)[4], uint32_t address) {        \
    asm volatile("ldmatrix.sync.aligned.m8n8.x" #count suffix ".shared.b16 " registers \
                 : __VA_ARGS__                                                         \
                 : "r"(address)                                                        \
                 : "memory");                                                          \
  }
#define ONE "=r"(d[0])
#define TWO ONE, "=r"(d[1])
#define FOUR TWO, "=r"(d[2]), "=r"(d[3])
LOAD(1, false, "", "{%0}, [%1];", ONE)
LOAD(1, true, ".trans", "{%0}, [%1];", ONE)
LOAD(2, false, "", "{%0, %1}, [%2];", TWO)
LOAD(2, true, ".trans", "{%0, %1}, [%2];", TWO)
LOAD(4, false, "", "{%0, %1, %2, %3}, [%4];", FOUR)
LOAD(4, true, ".trans", "{%0, %1, %2, %3}, [%4];", FOUR)

template <int kCount, bool kTransposed>
__global__ void ldmatrix_kernel(const uint32_t* image, const uint32_t* offsets, uint32_t* d) {
  __shared__ __align__(16) uint32_t memory[kImageBytes / 4];
  const int lane = threadIdx.x;
  for (int i = lane; i < kImageBytes / 4; i += kWarp) memory[i] = image[i];
  __syncthreads();
  uint32_t registers[4] = {};
  load<kCount, kTransposed>(registers, ptx::shared_address(memory) + offsets[lane]);
  for (int i = 0; i < kCount; ++i) d[lane * 4 + i] = registers[i];
}

__global__ void movmatrix_kernel(const uint32_t* a, uint32_t* d) {
  uint32_t value;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(value) : "r"(a[threadIdx.x]));
  d[threadIdx.x] = value;
}

}  // namespace

// image: 1024 bytes of shared memory. offsets: of the row that each lane names. d: [32][4].
CONFORMANCE_API int run_ldmatrix(int count, int transposed, uint32_t* image, uint32_t* offsets,
                                 uint32_t* d) {
  conformance::Buffer<uint32_t> in(image, kImageBytes / 4), at(offsets, kWarp), out(d, kWarp * 4);
  const auto kernel =
      count == 1   ? (transposed ? ldmatrix_kernel<1, true> : ldmatrix_kernel<1, false>)
      : count == 2 ? (transposed ? ldmatrix_kernel<2, true> : ldmatrix_kernel<2, false>)
                   : (transposed ? ldmatrix_kernel<4, true> : ldmatrix_kernel<4, false>);
  kernel<<<1, kWarp>>>(in.device(), at.device(), out.device());
  const int status = conformance::finish();
  out.copy_back();
  return status;
}

CONFORMANCE_API int run_movmatrix(uint32_t* a, uint32_t* d) {
  conformance::Buffer<uint32_t> in(a, kWarp), out(d, kWarp);
  movmatrix_kernel<<<1, kWarp>>>(in.device(), out.device());
  const int status = conformance::finish();
  out.copy_back();
  return status;
}
