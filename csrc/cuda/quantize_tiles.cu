// Blocks of any shape: one read for their ranges, their scales, and a second read, down the columns
// of a tile, so that what a column is quantized with is taken once.
#include "cuda/quantize_tiles.h"

#include "cuda/block_range.h"
#include "cuda/matrix_tiles.cuh"

namespace halfword {
namespace {

struct KernelParams {
  QuantizeParams q;  // with given scales
  MatrixView x;
  MatrixTiles tiles;
  bool codes_aligned;
  bool packs_fit;  // eight neighbours have one scale
};

__device__ __forceinline__ EightScales column_scales(const KernelParams& p, const Tile& tile) {
  const QuantizeParams& q = p.q;
  const int64_t col = p.tiles.col_of(tile);
  EightScales scales;
  BlockScale one{};
#pragma unroll
  for (int e = 0; e < kEight; ++e) {
    if (col + e < q.blocks.cols && (e == 0 || !p.packs_fit)) {
      const int64_t block = q.blocks.of(tile.row, col + e);
      const int32_t zero_point = q.given_zero_point == nullptr ? 0 : q.given_zero_point[block];
      one = given_scale(q.given_scale[block], static_cast<float>(zero_point));
    }
    scales.set(e, one.inv, one.zero_point);
  }
  return scales;
}

// Adds what neighbours have of a row.
__device__ __forceinline__ void add_row_sum(const KernelParams& p, int64_t number, int count,
                                            int32_t sum) {
  const int lanes = min(p.tiles.across, kWarpSize);
  for (int mask = lanes / 2; mask > 0; mask /= 2) sum += __shfl_xor_sync(kAllLanes, sum, mask);
  if (count > 0 && (threadIdx.x & (lanes - 1)) == 0) {
    atomicAdd(p.q.row_sums + number / p.q.blocks.cols, sum);
  }
}

template <class Word>
__global__ void __launch_bounds__(kThreads, 2) quantize_tiles_kernel(const KernelParams p) {
  const Coder coder(p.q.mapping, p.q.bits, p.q.seed, kRowCodeBits);
  for (int64_t k = blockIdx.x; k < p.tiles.count(); k += gridDim.x) {
    const Tile tile = p.tiles.at(k);
    const EightScales scales = column_scales(p, tile);
#pragma unroll 1
    for (int part = 0; part < kTileRows / kHeld; ++part) {
      Eights<Word> x;
      const Places at = p.tiles.places(tile, part, p.x.row_stride);
      x.load(p.x, at);
#pragma unroll
      for (int j = 0; j < kHeld; ++j) {
        const auto codes = eight_codes(coder, x.floats(j, p.q.dtype), scales, at.number_of(j));
        store_some(p.q.codes, at.number_of(j), at.count(j), p.codes_aligned, codes);
        if (p.q.row_sums == nullptr) continue;
        add_row_sum(p, at.number_of(j), at.count(j), sum_codes(codes, at.count(j)));
      }
    }
  }
}

size_t words_bytes(const QuantizeParams& q) {
  return static_cast<size_t>(q.blocks.count()) * sizeof(uint32_t);
}

}  // namespace

size_t quantize_tiles_scratch_bytes(const QuantizeParams& q) {
  if (q.given_scale != nullptr) return 0;
  return q.mapping == Mapping::kAffine ? 2 * words_bytes(q) : words_bytes(q);
}

CudaStatus quantize_scales_cuda(const QuantizeParams& q, void* scratch, CudaStream stream) {
  const cudaError_t status = cudaMemsetAsync(scratch, 0, quantize_tiles_scratch_bytes(q), stream);
  if (status != cudaSuccess) return status;
  auto* above = static_cast<uint32_t*>(scratch);
  uint32_t* below = q.mapping == Mapping::kAffine ? above + q.blocks.count() : nullptr;
  BlockRangeParams range{q.x, q.row_stride, q.dtype, {}, {}, q.blocks, {below, above}};
  const CudaStatus ranged = block_range_cuda(range, stream);
  if (ranged != cudaSuccess) return ranged;
  return block_scale_cuda(
      {range.tall_words, q.blocks, q.mapping, q.bits, q.scale, q.zero_point, nullptr, nullptr},
      stream);
}

CudaStatus quantize_tiles_cuda(const QuantizeParams& params, void* scratch, CudaStream stream) {
  QuantizeParams q = params;
  if (q.given_scale == nullptr) {
    const CudaStatus status = quantize_scales_cuda(q, scratch, stream);
    if (status != cudaSuccess) return status;
    q.given_scale = q.scale;
    q.given_zero_point = q.zero_point;
  }
  const Blocks& b = q.blocks;
  const Blocks whole{b.rows, b.cols, b.rows, b.cols};
  const KernelParams p{q, view_matrix(q.x, q.row_stride, q.dtype, whole),
                       cut_matrix(b.rows, b.cols, b.block_rows), codes_aligned(q.codes, whole),
                       packs_fit(b)};
  return q.dtype == Dtype::kFloat32
             ? launch_over_tiles<quantize_tiles_kernel<uint32_t>>(p.tiles.count(), stream, p)
             : launch_over_tiles<quantize_tiles_kernel<uint16_t>>(p.tiles.count(), stream, p);
}

}  // namespace halfword
