// Eight elements at a time wherever they lie: values are dense, and so is x mostly, so that packs
// go over the ends of rows. A thread loads kHeld packs before it uses the first. Scales that are to
// be computed are there before: x is read twice then.
#include "ops/fake_quantize.h"

#include "cuda/quantize.cuh"
#include "cuda/quantize_tiles.h"

namespace halfword {
namespace {

constexpr int64_t kTile = int64_t{kThreads} * kHeld * kEight;

struct KernelParams {
  QuantizeParams q;  // with given scales
  MatrixView x;
  void* out;
  int64_t numel;
  bool dense;        // x is
  bool out_aligned;  // for packs
  bool one_scale;    // for all of a pack
};

struct PackScales {
  EightScales to_codes;
  Floats<kEight> scale;
};

// Of `count` elements from a number on; x of a matrix that is not dense comes with them.
__device__ __forceinline__ PackScales scales_of(const KernelParams& p, int64_t first, int count,
                                                Floats<kEight>* x) {
  const QuantizeParams& q = p.q;
  int64_t row = first / q.blocks.cols;
  int64_t col = first - row * q.blocks.cols;
  BlockScale block{};
  PackScales scales;
#pragma unroll
  for (int e = 0; e < kEight; ++e) {
    if (e < count && (e == 0 || !p.one_scale)) {
      const int64_t number = q.blocks.of(row, col);
      const int32_t zero_point = q.given_zero_point == nullptr ? 0 : q.given_zero_point[number];
      block = given_scale(q.given_scale[number], static_cast<float>(zero_point));
    }
    scales.to_codes.set(e, block.inv, block.zero_point);
    scales.scale.v[e] = F32(block.scale);
    if (!p.dense && e < count) x->v[e] = load_element(q.x, row * q.row_stride + col, q.dtype);
    if (++col == q.blocks.cols) col = 0, ++row;
  }
  return scales;
}

template <class Format>
__device__ __forceinline__ void store_values(const KernelParams& p, int64_t first, int count,
                                             const Pack<uint8_t, kEight>& codes,
                                             const PackScales& scales) {
  const CodeRange range = code_range(p.q.mapping, p.q.bits);
  Pack<typename Format::Word, kEight> values;
#pragma unroll
  for (int e = 0; e < kEight; ++e) {
    const int32_t code = static_cast<int8_t>(codes.get(e));
    const F32 real = from_integer(U32(static_cast<uint32_t>(code)));
    const F32 scale = scales.scale.v[e];
    const F32 value = p.q.mapping == Mapping::kLog2
                          ? log2_value(real, scale, range)
                          : linear_value(real, scale, scales.to_codes.zero_point.v[e]);
    values.append(e, Format::nearest(value));
  }
  store_some(p.out, first, count, p.out_aligned, values);
}

// Of this thread, in the tile that begins at an element.
__device__ __forceinline__ Places places_of(const KernelParams& p, int64_t tile) {
  constexpr int64_t kStep = int64_t{kThreads} * kEight;
  const int64_t first = tile + static_cast<int>(threadIdx.x) * kEight;
  uint32_t counts = 0;
#pragma unroll
  for (int j = 0; j < kHeld; ++j) {
    counts |= static_cast<uint32_t>(clamp_count(p.numel - first - j * kStep)) << (4 * j);
  }
  return {first, first, kStep, kStep, counts};
}

template <class Word>
__global__ void __launch_bounds__(kThreads, 2) fake_quantize_kernel(const KernelParams p) {
  const Coder coder(p.q.mapping, p.q.bits, p.q.seed, kRowCodeBits);
  for (int64_t tile = int64_t{blockIdx.x} * kTile; tile < p.numel; tile += gridDim.x * kTile) {
    const Places at = places_of(p, tile);
    Eights<Word> held;
    if (p.dense) held.load(p.x, at);
#pragma unroll
    for (int j = 0; j < kHeld; ++j) {
      const int count = at.count(j);
      if (count == 0) continue;
      const int64_t first = at.number_of(j);
      Floats<kEight> x = held.floats(j, p.q.dtype);
      const PackScales scales = scales_of(p, first, count, &x);
      const auto codes = eight_codes(coder, x, scales.to_codes, first);
      if constexpr (sizeof(Word) == 4) {
        store_values<Float32>(p, first, count, codes, scales);
      } else if (p.q.dtype == Dtype::kBFloat16) {
        store_values<BFloat16>(p, first, count, codes, scales);
      } else {
        store_values<Float16>(p, first, count, codes, scales);
      }
    }
  }
}

// Whether eight elements that begin at a multiple of eight always have one scale.
bool one_scale(const Blocks& b) { return b.count() == 1 || (b.cols % kEight == 0 && packs_fit(b)); }

}  // namespace

size_t fake_quantize_scratch_bytes(const FakeQuantizeParams& params) {
  return quantize_tiles_scratch_bytes(params.quantize);
}

CudaStatus fake_quantize_cuda(const FakeQuantizeParams& params, void* scratch, CudaStream stream) {
  QuantizeParams q = params.quantize;
  const int64_t numel = q.blocks.rows * q.blocks.cols;
  if (numel == 0) return cudaSuccess;
  if (q.given_scale == nullptr) {
    const CudaStatus status = quantize_scales_cuda(q, scratch, stream);
    if (status != cudaSuccess) return status;
    q.given_scale = q.scale;
    q.given_zero_point = q.zero_point;
  }
  const bool dense = q.blocks.rows <= 1 || q.row_stride == q.blocks.cols;
  const KernelParams p{q,
                       {q.x, q.row_stride, q.dtype, is_multiple(q.x, 16)},
                       params.out,
                       numel,
                       dense,
                       is_multiple(params.out, 16),
                       one_scale(q.blocks)};
  const int64_t tiles = (numel + kTile - 1) / kTile;
  return q.dtype == Dtype::kFloat32
             ? launch_over_tiles<fake_quantize_kernel<uint32_t>>(tiles, stream, p)
             : launch_over_tiles<fake_quantize_kernel<uint16_t>>(tiles, stream, p);
}

}  // namespace halfword
