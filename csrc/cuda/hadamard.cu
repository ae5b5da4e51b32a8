// A thread holds 16 consecutive elements: the first four stages are its own, the next five are
// exchanged in a warp. A larger block goes through shared memory once, after which a thread holds
// elements that lie kSpan apart, one of each warp, and the last stages are its own again.
#include "ops/hadamard.h"

#include "cuda/elements.cuh"
#include "cuda/launch.cuh"

namespace halfword {
namespace {

constexpr int kItems = 16;
constexpr int kSpan = kItems * kWarpSize;  // elements of a warp
constexpr int kElements = kItems * kThreads;
static_assert(kElements == HadamardParams::kMaxBlock);

struct KernelParams {
  const void* x;
  void* out;
  int64_t count;
  int block;
  float factor;
  Dtype dtype;
  bool aligned;  // x and out, for packs of eight
};

// Four floats of gap after sixteen: a warp's accesses of 16 bytes meet all banks.
__device__ __forceinline__ int padded(int i) { return i + i / kItems * 4; }

__device__ __forceinline__ void butterfly(float& a, float& b) {
  const float sum = a + b;
  b = a - b;
  a = sum;
}

// Stages of distances `first`, 2 * first, ... below `end` between the elements of a thread.
__device__ __forceinline__ void own_stages(float (&v)[kItems], int first, int end) {
#pragma unroll
  for (int h = 1; h < kItems; h *= 2) {
    if (h < first || h >= end) continue;
#pragma unroll
    for (int i = 0; i < kItems; ++i) {
      if ((i & h) == 0) butterfly(v[i], v[i + h]);
    }
  }
}

// Stages between the threads of a warp: the upper of a pair subtracts.
__device__ __forceinline__ void warp_stages(float (&v)[kItems], int block) {
  for (int lanes = 1; lanes < kWarpSize && lanes * kItems < block; lanes *= 2) {
    const bool is_upper = threadIdx.x & lanes;
#pragma unroll
    for (int i = 0; i < kItems; ++i) {
      const float partner = __shfl_xor_sync(kAllLanes, v[i], lanes);
      v[i] = is_upper ? partner - v[i] : partner + v[i];
    }
  }
}

template <class Format>
__device__ __forceinline__ void load(const KernelParams& p, int64_t begin, float (&v)[kItems]) {
  const bool whole = p.aligned && begin + kItems <= p.count;
#pragma unroll
  for (int i = 0; i < kItems; i += 8) {
    if (whole) {
      const auto x = load_floats<Format, 8>(p.x, begin + i);
#pragma unroll
      for (int e = 0; e < 8; ++e) v[i + e] = x.v[e].v;
      continue;
    }
#pragma unroll
    for (int e = i; e < i + 8; ++e) {
      v[e] = begin + e < p.count ? load_floats<Format, 1>(p.x, begin + e).v[0].v : 0.0f;
    }
  }
}

template <class Format>
__device__ __forceinline__ void store(const KernelParams& p, int64_t begin,
                                      const float (&v)[kItems]) {
  const bool whole = p.aligned && begin + kItems <= p.count;
#pragma unroll
  for (int i = 0; i < kItems; i += 8) {
    if (whole) {
      Floats<8> out;
#pragma unroll
      for (int e = 0; e < 8; ++e) out.v[e] = F32(v[i + e] * p.factor);
      store_floats<Format>(p.out, begin + i, out);
      continue;
    }
#pragma unroll
    for (int e = i; e < i + 8; ++e) {
      if (begin + e < p.count) store_floats<Format, 1>(p.out, begin + e, {F32(v[e] * p.factor)});
    }
  }
}

// Stages from kSpan on. `work` is handed over and back within a call.
template <class Format>
__device__ __forceinline__ void block_stages(const KernelParams& p, int64_t first,
                                             float (&v)[kItems], float* work) {
  const int own = threadIdx.x * kItems;
#pragma unroll
  for (int i = 0; i < kItems; ++i) work[padded(own + i)] = v[i];
  __syncthreads();
  // Of each block, a thread takes elements `at`, at + kSpan, ...; neighbours take neighbours.
  const int spans = p.block / kSpan;
  const auto place = [&](int i) {
    const int group = i / spans * kThreads + threadIdx.x;  // of kElements / spans
    return group / kSpan * p.block + group % kSpan + i % spans * kSpan;
  };
#pragma unroll
  for (int i = 0; i < kItems; ++i) v[i] = work[padded(place(i))];
  __syncthreads();
  own_stages(v, 1, spans);
#pragma unroll
  for (int i = 0; i < kItems; ++i) {
    const int64_t at = first + place(i);
    if (at < p.count) store_floats<Format, 1>(p.out, at, {F32(v[i] * p.factor)});
  }
}

template <class Format>
__device__ __forceinline__ void transform(const KernelParams& p, float* work) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kElements;
  for (int64_t first = blockIdx.x * int64_t{kElements}; first < p.count; first += stride) {
    const int64_t begin = first + threadIdx.x * kItems;
    float v[kItems];
    load<Format>(p, begin, v);
    own_stages(v, 1, p.block);
    warp_stages(v, p.block);
    if (p.block > kSpan) {
      block_stages<Format>(p, first, v, work);
    } else {
      store<Format>(p, begin, v);
    }
  }
}

__global__ void __launch_bounds__(kThreads) hadamard_kernel(const KernelParams p) {
  __shared__ __align__(16) float work[kElements + kElements / kItems * 4];
  switch (p.dtype) {
    case Dtype::kFloat32: transform<Float32>(p, work); break;
    case Dtype::kBFloat16: transform<BFloat16>(p, work); break;
    case Dtype::kFloat16: transform<Float16>(p, work); break;
  }
}

}  // namespace

CudaStatus hadamard_cuda(const HadamardParams& params, CudaStream stream) {
  const auto addresses =
      reinterpret_cast<uintptr_t>(params.x) | reinterpret_cast<uintptr_t>(params.out);
  const KernelParams p{params.x,
                       params.out,
                       params.count,
                       static_cast<int>(params.block),
                       hadamard_factor(params.block),
                       params.dtype,
                       addresses % 16 == 0};
  const int64_t tiles = (params.count + kElements - 1) / kElements;
  return launch_over_tiles<hadamard_kernel>(tiles, stream, p);
}

}  // namespace halfword
