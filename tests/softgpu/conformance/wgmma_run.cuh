// What the generated wgmma kernels share: operands as an image of shared memory.
#pragma once

#include "conformance/buffers.cuh"
#include "kernels/ptx.cuh"

struct WgmmaArguments {
  const uint32_t* image;  // of shared memory, from its 1024-byte aligned start
  int words;
  const uint32_t* a;      // [128][4], of the forms with A in registers
  uint32_t* d;            // [128][registers]
  uint64_t a_descriptor;  // with start addresses relative to the image
  uint64_t b_descriptor;
  int scale_d;
};

// Members are the host's; as WgmmaArguments.
struct WgmmaRun {
  uint32_t* image;
  int32_t words;
  uint32_t* a;
  uint32_t* d;
  uint64_t a_descriptor;
  uint64_t b_descriptor;
  int32_t scale_d;
};

struct WgmmaForm {
  void (*kernel)(WgmmaArguments arguments);
  int registers;
};

// Copies the image and makes the descriptors those of where it lies.
__device__ inline void load_shared(WgmmaArguments& x) {
  extern __shared__ __align__(1024) uint32_t memory[];
  for (int i = threadIdx.x; i < x.words; i += 128) memory[i] = x.image[i];
  const uint64_t start = (ptx::shared_address(memory) & 0x3ffff) >> 4;
  x.a_descriptor += start;
  x.b_descriptor += start;
  ptx::fence_proxy_async();
  __syncthreads();
}

inline int run_form(const WgmmaForm& form, WgmmaRun& run) {
  conformance::Buffer<uint32_t> image(run.image, run.words), a(run.a, 128 * 4),
      d(run.d, size_t(128 * form.registers));
  const WgmmaArguments arguments{image.device(),   run.words,        a.device(), d.device(),
                                 run.a_descriptor, run.b_descriptor, run.scale_d};
  const int bytes = run.words * 4;
  cudaFuncSetAttribute(form.kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  form.kernel<<<1, 128, bytes>>>(arguments);
  const int status = conformance::finish();
  d.copy_back();
  return status;
}
