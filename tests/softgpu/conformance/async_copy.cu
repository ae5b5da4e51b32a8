// cp.async: one chunk a thread, and groups of them.
#include "conformance/buffers.cuh"
#include "kernels/ptx.cuh"

namespace {

constexpr int kThreads = 32;
constexpr int kChunk = 16;
constexpr int kGroups = 4;

enum Form { kPlain, kSourceSize, kIgnoreSource };

// kBytes as kWay ("ca" or "cg") copies them.
#define COPY(name, way, bytes)                                                                  \
  template <int kForm>                                                                          \
  __device__ void name(uint32_t to, const char* from, int size) {                               \
    if (kForm == kPlain) {                                                                      \
      asm volatile("cp.async." way ".shared.global [%0], [%1], " bytes ";" ::"r"(to), "l"(from) \
                   : "memory");                                                                 \
    } else if (kForm == kSourceSize) {                                                          \
      asm volatile("cp.async." way ".shared.global [%0], [%1], " bytes ", %2;" ::"r"(to),       \
                   "l"(from), "r"(size)                                                         \
                   : "memory");                                                                 \
    } else {                                                                                    \
      asm volatile(                                                                             \
          "{\n .reg .pred p;\n setp.eq.s32 p, %2, 0;\n"                                         \
          " cp.async." way ".shared.global [%0], [%1], " bytes ", p;\n}" ::"r"(to),             \
          "l"(from), "r"(size)                                                                  \
          : "memory");                                                                          \
    }                                                                                           \
  }
COPY(copy_ca_4, "ca", "4")
COPY(copy_ca_8, "ca", "8")
COPY(copy_ca_16, "ca", "16")
COPY(copy_cg_16, "cg", "16")

// Thread t copies to chunk t of shared memory; sizes[t] is src-size, or 0 to ignore the source.
template <void (*kCopy)(uint32_t, const char*, int)>
__global__ void copy_kernel(const char* from, const int* sizes, char* to) {
  __shared__ __align__(kChunk) char memory[kThreads * kChunk];
  const int t = threadIdx.x;
  for (int i = 0; i < kChunk; ++i) memory[t * kChunk + i] = -1;
  kCopy(ptx::shared_address(memory + t * kChunk), from + t * kChunk, sizes[t]);
  asm volatile("cp.async.wait_all;" ::: "memory");
  for (int i = 0; i < kChunk; ++i) to[t * kChunk + i] = memory[t * kChunk + i];
}

using Kernel = void (*)(const char*, const int*, char*);
const Kernel kKernels[4][3] = {
    {copy_kernel<copy_ca_4<0>>, copy_kernel<copy_ca_4<1>>, copy_kernel<copy_ca_4<2>>},
    {copy_kernel<copy_ca_8<0>>, copy_kernel<copy_ca_8<1>>, copy_kernel<copy_ca_8<2>>},
    {copy_kernel<copy_ca_16<0>>, copy_kernel<copy_ca_16<1>>, copy_kernel<copy_ca_16<2>>},
    {copy_kernel<copy_cg_16<0>>, copy_kernel<copy_cg_16<1>>, copy_kernel<copy_cg_16<2>>},
};

// Four groups; what each wait promises is stored as soon as it returns. The destination of a group
// is free again after its wait.
__global__ void groups_kernel(const char* from, char* to) {
  __shared__ __align__(kChunk) char memory[kGroups][kThreads * kChunk];
  const int at = threadIdx.x * kChunk;
  for (int g = 0; g < kGroups; ++g) {
    ptx::cp_async_16(ptx::shared_address(&memory[g][at]), from + g * kThreads * kChunk + at);
    ptx::cp_async_commit();
  }
  const auto save = [&](int g) {
    for (int i = 0; i < kChunk; ++i) {
      to[g * kThreads * kChunk + at + i] = memory[g][at + i];
      memory[g][at + i] = 0;
    }
  };
  ptx::cp_async_wait<2>();
  save(0);
  save(1);
  ptx::cp_async_wait<1>();
  save(2);
  ptx::cp_async_wait<0>();
  save(3);
}

}  // namespace

// way: of kKernels. from, to: [32][16]; sizes: [32].
CONFORMANCE_API int run_cp_async(int way, int form, char* from, int* sizes, char* to) {
  conformance::Buffer<char> in(from, kThreads * kChunk), out(to, kThreads * kChunk);
  conformance::Buffer<int> size(sizes, kThreads);
  kKernels[way][form]<<<1, kThreads>>>(in.device(), size.device(), out.device());
  const int status = conformance::finish();
  out.copy_back();
  return status;
}

// from, to: [4][32][16]
CONFORMANCE_API int run_cp_async_groups(char* from, char* to) {
  constexpr int kBytes = kGroups * kThreads * kChunk;
  conformance::Buffer<char> in(from, kBytes), out(to, kBytes);
  groups_kernel<<<1, kThreads>>>(in.device(), out.device());
  const int status = conformance::finish();
  out.copy_back();
  return status;
}
