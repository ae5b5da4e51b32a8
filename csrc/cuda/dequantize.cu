// Eight codes at a time wherever they lie: codes and values are dense, so that packs go over the
// ends of rows. A thread loads kHeld packs before it uses the first.
#include "ops/dequantize.h"

#include "cuda/quantize.cuh"

namespace halfword {
namespace {

constexpr int64_t kTile = int64_t{kThreads} * kHeld * kEight;

struct KernelParams {
  DequantizeParams d;
  int64_t numel;
  bool aligned;
  bool one_scale;  // for all of a pack
};

using Codes = Pack<uint8_t, kEight>;

struct ScaleAt {
  F32 scale;
  F32 zero_point;
};

__device__ __forceinline__ ScaleAt scale_at(const DequantizeParams& d, int64_t row, int64_t col) {
  const int64_t block = d.blocks.of(row, col);
  const int32_t zero_point = d.zero_point == nullptr ? 0 : d.zero_point[block];
  return {F32(d.scale[block]), F32(static_cast<float>(zero_point))};
}

__device__ __forceinline__ Floats<kEight> values_of(const KernelParams& p, const Codes& codes,
                                                    int64_t first, int count) {
  const DequantizeParams& d = p.d;
  const CodeRange range = code_range(d.mapping, d.bits);
  int64_t row = first / d.blocks.cols;
  int64_t col = first - row * d.blocks.cols;
  ScaleAt at{};
  Floats<kEight> x;
#pragma unroll
  for (int e = 0; e < kEight; ++e) {
    if (e < count && (e == 0 || !p.one_scale)) at = scale_at(d, row, col);
    const int32_t code = static_cast<int8_t>(codes.get(e));
    const F32 real = from_integer(U32(static_cast<uint32_t>(code)));
    x.v[e] = d.mapping == Mapping::kLog2 ? log2_value(real, at.scale, range)
                                         : linear_value(real, at.scale, at.zero_point);
    if (++col == d.blocks.cols) col = 0, ++row;
  }
  return x;
}

template <class Format>
__device__ __forceinline__ void store_values(const KernelParams& p, int64_t first, int count,
                                             const Floats<kEight>& x) {
  Pack<typename Format::Word, kEight> pack;
#pragma unroll
  for (int e = 0; e < kEight; ++e) pack.append(e, Format::nearest(x.v[e]));
  store_some(p.d.out, first, count, p.aligned, pack);
}

__global__ void __launch_bounds__(kThreads, 4) dequantize_kernel(const KernelParams p) {
  for (int64_t tile = int64_t{blockIdx.x} * kTile; tile < p.numel; tile += gridDim.x * kTile) {
    const auto first_of = [&](int j) {
      return tile + (j * kThreads + static_cast<int>(threadIdx.x)) * kEight;
    };
    Codes codes[kHeld];
#pragma unroll
    for (int j = 0; j < kHeld; ++j) {
      const int count = clamp_count(p.numel - first_of(j));
      codes[j] = load_some<uint8_t>(p.d.codes, first_of(j), count, p.aligned);
    }
#pragma unroll
    for (int j = 0; j < kHeld; ++j) {
      const int64_t first = first_of(j);
      const int count = clamp_count(p.numel - first);
      if (count <= 0) continue;
      const Floats<kEight> x = values_of(p, codes[j], first, count);
      switch (p.d.dtype) {
        case Dtype::kFloat32: store_values<Float32>(p, first, count, x); break;
        case Dtype::kBFloat16: store_values<BFloat16>(p, first, count, x); break;
        case Dtype::kFloat16: store_values<Float16>(p, first, count, x); break;
      }
    }
  }
}

// Whether eight codes that begin at a multiple of eight always have one scale.
bool one_scale(const Blocks& b) { return b.count() == 1 || b.cols % kEight == 0 && packs_fit(b); }

}  // namespace

CudaStatus dequantize_cuda(const DequantizeParams& d, CudaStream stream) {
  const int64_t numel = d.blocks.rows * d.blocks.cols;
  if (numel == 0) return cudaSuccess;
  const KernelParams p{d, numel, is_multiple(d.codes, kEight) && is_multiple(d.out, 16),
                       one_scale(d.blocks)};
  return launch_over_tiles<dequantize_kernel>((numel + kTile - 1) / kTile, stream, p);
}

}  // namespace halfword
