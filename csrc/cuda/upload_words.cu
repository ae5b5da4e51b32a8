// Words travel to the device as kernel arguments: read at the call, in stream order, and baked into
// a graph that captures them. CUDA 12.1 and later take 32,764 bytes of them.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstring>

#include "core/cuda.h"

namespace halfword {
namespace {

constexpr size_t kMaxArgumentBytes = 32764;
constexpr size_t kThreads = 128;

template <size_t kWords>
struct Words {
  uint64_t* device;
  uint32_t count;
  uint64_t words[kWords];
};

template <size_t kWords>
__global__ void __launch_bounds__(kThreads)
    upload_words_kernel(const __grid_constant__ Words<kWords> w) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i < w.count) w.device[i] = w.words[i];
}

template <size_t kWords>
cudaError_t upload(uint64_t* device, const uint64_t* words, size_t count, cudaStream_t stream) {
  static_assert(sizeof(Words<kWords>) <= kMaxArgumentBytes);
  Words<kWords> w;
  w.device = device;
  w.count = static_cast<uint32_t>(count);
  std::memcpy(w.words, words, count * sizeof(uint64_t));
  const auto blocks = static_cast<unsigned>((count + kThreads - 1) / kThreads);
  upload_words_kernel<<<blocks, kThreads, 0, stream>>>(w);
  return cudaGetLastError();
}

}  // namespace

CudaStatus upload_words_cuda(uint64_t* device, const uint64_t* words, size_t count,
                             CudaStream stream) {
  // Sizes of the argument: all of it travels, however few words it holds.
  constexpr size_t kFew = 240;
  constexpr size_t kSome = 1200;
  constexpr size_t kMany = 4080;
  cudaError_t status = cudaSuccess;
  while (count > 0 && status == cudaSuccess) {
    const size_t part = std::min(count, kMany);
    const auto upload_part = part <= kFew    ? upload<kFew>
                             : part <= kSome ? upload<kSome>
                                             : upload<kMany>;
    status = upload_part(device, words, part, stream);
    device += part;
    words += part;
    count -= part;
  }
  return status;
}

}  // namespace halfword
