// stmatrix: one warp, one instruction.
#include "conformance/buffers.cuh"
#include "kernels/ptx.cuh"

namespace {

constexpr int kWarp = 32;
constexpr int kImageBytes = 1024;

template <int kCount, bool kTransposed>
__device__ void store(const uint32_t (&a)[4], uint32_t address);

#define STORE(count, transposed, suffix, registers, ...)                               \
  template <>                                                                          \
  __device__ void store<count, transposed>(const uint32_t (&a)[4], uint32_t address) { \
    asm volatile("stmatrix.sync.aligned.m8n8.x" #count suffix                          \
                 ".shared.b16 [%0], " registers::"r"(address),                         \
                 __VA_ARGS__                                                           \
                 : "memory");                                                          \
  }
#define ONE "r"(a[0])
#define TWO ONE, "r"(a[1])
#define FOUR TWO, "r"(a[2]), "r"(a[3])
STORE(1, false, "", "{%1};", ONE)
STORE(1, true, ".trans", "{%1};", ONE)
STORE(2, false, "", "{%1, %2};", TWO)
STORE(2, true, ".trans", "{%1, %2};", TWO)
STORE(4, false, "", "{%1, %2, %3, %4};", FOUR)
STORE(4, true, ".trans", "{%1, %2, %3, %4};", FOUR)

template <int kCount, bool kTransposed>
__global__ void stmatrix_kernel(uint32_t* image, const uint32_t* offsets, const uint32_t* a) {
  __shared__ __align__(16) uint32_t memory[kImageBytes / 4];
  const int lane = threadIdx.x;
  for (int i = lane; i < kImageBytes / 4; i += kWarp) memory[i] = image[i];
  __syncthreads();
  uint32_t registers[4];
  for (int i = 0; i < 4; ++i) registers[i] = a[lane * 4 + i];
  store<kCount, kTransposed>(registers, ptx::shared_address(memory) + offsets[lane]);
  __syncthreads();
  for (int i = lane; i < kImageBytes / 4; i += kWarp) image[i] = memory[i];
}

}  // namespace

// As run_ldmatrix; the image is read, stored to and copied back.
CONFORMANCE_API int run_stmatrix(int count, int transposed, uint32_t* image, uint32_t* offsets,
                                 uint32_t* a) {
  conformance::Buffer<uint32_t> memory(image, kImageBytes / 4), at(offsets, kWarp),
      in(a, kWarp * 4);
  const auto kernel =
      count == 1   ? (transposed ? stmatrix_kernel<1, true> : stmatrix_kernel<1, false>)
      : count == 2 ? (transposed ? stmatrix_kernel<2, true> : stmatrix_kernel<2, false>)
                   : (transposed ? stmatrix_kernel<4, true> : stmatrix_kernel<4, false>);
  kernel<<<1, kWarp>>>(memory.device(), at.device(), in.device());
  const int status = conformance::finish();
  memory.copy_back();
  return status;
}
