// Columns' extremes are kept in registers down a tile and put together in shared memory; rows'
// extremes by shuffles. What is left raises words of the result, if it is larger than what they
// were a moment ago.
#include "cuda/block_range.h"

#include "cuda/matrix_tiles.cuh"

namespace halfword {
namespace {

constexpr int kPitch = kThreads + 4;  // eight neighbouring columns lie in banks of their own

struct KernelParams {
  BlockRangeParams r;
  MatrixView x;
  MatrixTiles tiles;
  int flat_lanes;  // neighbours that are in one flat block for sure; 0: not even one's elements are
};

__device__ __forceinline__ void raise(uint32_t* word, uint32_t value) {
  if (value > *static_cast<volatile uint32_t*>(word)) atomicMax(word, value);
}
__device__ __forceinline__ void raise(const RangeWords& words, int64_t block,
                                      const Extremes& seen) {
  raise(words.above + block, seen.above);
  if (words.below != nullptr) raise(words.below + block, seen.below);
}

// Eight elements of a row.
__device__ __forceinline__ void raise_flat(const KernelParams& p, int64_t number, int count,
                                           const Floats<kEight>& x) {
  const Blocks& flat = p.r.flat;
  const RangeWords& words = p.r.flat_words;
  const bool by_sign = words.below != nullptr;
  const int64_t row = number / flat.cols;
  const int64_t col = number - row * flat.cols;
  Extremes seen;
#pragma unroll
  for (int e = 0; e < kEight; ++e) {
    if (p.flat_lanes > 0) {
      seen.see(x.v[e], by_sign);
    } else if (e < count) {
      Extremes one;
      one.see(x.v[e], by_sign);
      raise(words, flat.of(row, col + e), one);
    }
  }
  if (p.flat_lanes == 0) return;
  for (int mask = p.flat_lanes / 2; mask > 0; mask /= 2) seen.see(from_lane(seen, mask));
  if (count > 0 && (threadIdx.x & (p.flat_lanes - 1)) == 0) {
    raise(words, flat.of(row, col), seen);
  }
}

using ColumnWords = uint32_t[kEight][kPitch];

// The columns of a tile: neighbouring threads take neighbouring columns, and a warp whose columns
// are of one block raises its word once.
__device__ __forceinline__ void raise_tall(const KernelParams& p, const Tile& tile,
                                           const Extremes (&mine)[kEight],
                                           ColumnWords (&shared)[2]) {
  const Blocks& tall = p.r.tall;
  const int across = p.tiles.across;
  const int a = threadIdx.x & (across - 1);
  for (int i = threadIdx.x; i < kEight * across; i += kThreads) {
    shared[0][i / across][a] = shared[1][i / across][a] = 0;
  }
  __syncthreads();
#pragma unroll
  for (int e = 0; e < kEight; ++e) {
    atomicMax(&shared[0][e][a], mine[e].below);
    atomicMax(&shared[1][e][a], mine[e].above);
  }
  __syncthreads();
  for (int first = 0; first < kEight * across; first += kThreads) {
    const int c = first + threadIdx.x;
    const int64_t col = tile.col + c;
    const bool exists = c < kEight * across && col < tall.cols;
    const int64_t block = exists ? tall.of(tile.row, col) : 0;
    Extremes seen;
    if (exists) seen = {shared[0][c % kEight][c / kEight], shared[1][c % kEight][c / kEight]};
    const int64_t leader = __shfl_sync(kAllLanes, block, 0);
    if (__all_sync(kAllLanes, !exists || block == leader)) {
      for (int mask = kWarpSize / 2; mask > 0; mask /= 2) seen.see(from_lane(seen, mask));
      if (exists && threadIdx.x % kWarpSize == 0) raise(p.r.tall_words, block, seen);
    } else if (exists) {
      raise(p.r.tall_words, block, seen);
    }
  }
  __syncthreads();  // read, before the next tile's are written
}

template <class Word>
__global__ void __launch_bounds__(kThreads, 2) block_range_kernel(const KernelParams p) {
  __shared__ ColumnWords shared[2];
  const bool has_tall = p.r.tall_words.above != nullptr;
  const bool by_sign = p.r.tall_words.below != nullptr;
  for (int64_t k = blockIdx.x; k < p.tiles.count(); k += gridDim.x) {
    const Tile tile = p.tiles.at(k);
    Extremes columns[kEight];
#pragma unroll 1
    for (int part = 0; part < kTileRows / kHeld; ++part) {
      Eights<Word> held;
      const Places at = p.tiles.places(tile, part, p.x.row_stride);
      held.load(p.x, at);
#pragma unroll
      for (int j = 0; j < kHeld; ++j) {
        const Floats<kEight> x = held.floats(j, p.r.dtype);
        if (p.r.flat_words.above != nullptr) raise_flat(p, at.number_of(j), at.count(j), x);
#pragma unroll
        for (int e = 0; e < kEight; ++e) {
          if (has_tall) columns[e].see(x.v[e], by_sign);
        }
      }
    }
    if (has_tall) raise_tall(p, tile, columns, shared);
  }
}

__global__ void __launch_bounds__(kThreads) block_scale_kernel(const BlockScaleParams p) {
  const int64_t stride = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < p.blocks.count();
       i += stride) {
    const Extremes seen{p.words.below == nullptr ? 0 : p.words.below[i], p.words.above[i]};
    const BlockScale block = compute_scale(seen.range(), p.mapping, p.bits);
    const auto zero_point = static_cast<int32_t>(block.zero_point);
    if (p.scale) p.scale[i] = block.scale;
    if (p.zero_point) p.zero_point[i] = zero_point;
    if (p.scale_t == nullptr) continue;
    const int64_t down = i / p.blocks.across();
    const int64_t t = (i - down * p.blocks.across()) * p.blocks.down() + down;
    p.scale_t[t] = block.scale;
    if (p.zero_point_t) p.zero_point_t[t] = zero_point;
  }
}

int neighbours_in_one(const Blocks& flat, int across) {
  int lanes = across < kWarpSize ? across : kWarpSize;
  if (flat.block_cols >= flat.cols) return lanes;
  while (lanes > 0 && flat.block_cols % (lanes * kEight) != 0) lanes /= 2;
  return lanes;
}

}  // namespace

CudaStatus block_range_cuda(const BlockRangeParams& r, CudaStream stream) {
  const bool has_tall = r.tall_words.above != nullptr;
  const bool has_flat = r.flat_words.above != nullptr;
  const Blocks& any = has_tall ? r.tall : r.flat;
  const MatrixTiles tiles = cut_matrix(any.rows, any.cols, has_tall ? r.tall.block_rows : any.rows);
  // Packs begin at every eighth column, wherever blocks do.
  const Blocks whole{any.rows, any.cols, any.rows, any.cols};
  const KernelParams p{r, view_matrix(r.x, r.row_stride, r.dtype, whole), tiles,
                       has_flat ? neighbours_in_one(r.flat, tiles.across) : 0};
  return r.dtype == Dtype::kFloat32
             ? launch_over_tiles<block_range_kernel<uint32_t>>(tiles.count(), stream, p)
             : launch_over_tiles<block_range_kernel<uint16_t>>(tiles.count(), stream, p);
}

CudaStatus block_scale_cuda(const BlockScaleParams& p, CudaStream stream) {
  return launch_over_tiles<block_scale_kernel>((p.blocks.count() + kThreads - 1) / kThreads, stream,
                                               p);
}

}  // namespace halfword
