// Blocks that fit the registers of a unit of threads, and rows of any length.
//
// A unit is 1, 2, 4 ... 512 threads that take a block of the matrix: as few as hold all of its
// elements, so that x is read once. Rows that are longer than that are read again, the second time
// from L2. What else there is goes to quantize_tiles.cu.
#include "ops/quantize.h"

#include "cuda/quantize.cuh"
#include "cuda/quantize_tiles.h"

namespace halfword {
namespace {

constexpr int kLargestUnit = 512;

struct KernelParams {
  QuantizeParams q;
  MatrixView x;
  bool codes_aligned;
  int64_t packs;  // of a block of one row that is not cut off
  int lanes;      // threads of a unit
  int side;       // of these side by side, where a block has more rows
};

// A block: where it begins, and what the edge of the matrix leaves of it.
struct Region {
  int64_t row;
  int64_t col;
  int64_t rows;
  int64_t cols;
};

__device__ __forceinline__ Region region_of(const Blocks& b, int64_t block) {
  if (block >= b.count()) return {};
  const int64_t across = b.across();
  const int64_t i = across == 1 ? block : block / across;
  const int64_t row = i * b.block_rows;
  const int64_t col = (block - i * across) * b.block_cols;
  return {row, col, min(b.block_rows, b.rows - row), min(b.block_cols, b.cols - col)};
}

// Of this thread, from a pack of a row on. Threads of a unit lie side by side in what is one row,
// else as many as it has columns, the next ones below.
__device__ __forceinline__ Places places_of(const KernelParams& p, const Region& region, int lane,
                                            int64_t first) {
  const int64_t pitch = p.q.blocks.cols;
  if (p.q.blocks.block_rows > 1) {
    const int64_t row = region.row + lane / p.side;
    const int64_t col = region.col + lane % p.side * kEight;
    return places_down(row, col, region.row + region.rows, region.col + region.cols,
                       p.lanes / p.side, p.x.row_stride, pitch);
  }
  const int64_t col = (first + lane) * kEight;
  const int step = p.lanes * kEight;
  uint32_t counts = 0;
#pragma unroll
  for (int j = 0; j < kHeld; ++j) {
    counts |= static_cast<uint32_t>(clamp_count(region.cols - col - j * step)) << (4 * j);
  }
  return {region.row * p.x.row_stride + region.col + col, region.row * pitch + region.col + col,
          step, step, counts};
}

// What the threads of a unit found, for all of them. `lanes` above a warp's are those of a block of
// threads; `warps` stays theirs until the next call but one.
__device__ __forceinline__ Extremes unit_extremes(Extremes mine, int lanes, Extremes* warps) {
  for (int mask = min(lanes, kWarpSize) / 2; mask > 0; mask /= 2) mine.see(from_lane(mine, mask));
  if (lanes <= kWarpSize) return mine;
  if (threadIdx.x % kWarpSize == 0) warps[threadIdx.x / kWarpSize] = mine;
  __syncthreads();
  for (int w = 0; w < lanes / kWarpSize; ++w) mine.see(warps[w]);
  return mine;
}

// The sum of the threads of a warp that belong to one unit, in the first of them.
__device__ __forceinline__ int32_t warp_sum(int32_t sum, int lanes) {
  for (int mask = min(lanes, kWarpSize) / 2; mask > 0; mask /= 2) {
    sum += __shfl_xor_sync(kAllLanes, sum, mask);
  }
  return sum;
}

struct UnitScale {
  BlockScale block;
  EightScales eight;
};

__device__ __forceinline__ UnitScale unit_scale(const QuantizeParams& q, int64_t block,
                                                const Extremes& seen) {
  UnitScale s;
  if (q.given_scale == nullptr) {
    s.block = compute_scale(seen.range(), q.mapping, q.bits);
  } else {
    const int32_t zero_point = q.given_zero_point == nullptr ? 0 : q.given_zero_point[block];
    s.block = given_scale(q.given_scale[block], static_cast<float>(zero_point));
  }
#pragma unroll
  for (int e = 0; e < kEight; ++e) s.eight.set(e, s.block.inv, s.block.zero_point);
  return s;
}

// kRoomy: for random bits, and rows that a unit does not hold, which take registers that otherwise
// another block of threads has.
template <class Word, bool kRoomy>
__global__ void __launch_bounds__(kLargestUnit, kRoomy ? 1 : kResidentEights<Word>)
    quantize_kernel(const KernelParams p) {
  __shared__ Extremes warps[2][kLargestUnit / kWarpSize];
  const QuantizeParams& q = p.q;
  const int lane = threadIdx.x & (p.lanes - 1);
  const bool computed = q.given_scale == nullptr;
  const bool by_sign = q.mapping == Mapping::kAffine;
  const int64_t chunk = int64_t{p.lanes} * kHeld;
  const int64_t blocks = q.blocks.count();
  const int units = blockDim.x / p.lanes;
  const Coder coder(q.mapping, q.bits, kRoomy ? q.seed : nullptr, kRowCodeBits);
  Eights<Word> x;
  Places at;
  int buffer = 0;

  for (int64_t first = int64_t{blockIdx.x} * units; first < blocks;
       first += int64_t{gridDim.x} * units, buffer ^= 1) {
    const int64_t block = first + threadIdx.x / p.lanes;
    const Region region = region_of(q.blocks, block);
    const auto load = [&](int64_t begin) {
      at = places_of(p, region, lane, begin);
      x.load(p.x, at);
    };

    const auto see = [&](Extremes& seen) {
#pragma unroll
      for (int j = 0; j < kHeld; ++j) seen.see(x.floats(j, q.dtype), by_sign);
    };

    load(0);
    Extremes seen;
    if (computed) {
      see(seen);
      for (int64_t begin = chunk; kRoomy && begin < p.packs; begin += chunk) {
        load(begin);
        see(seen);
      }
      seen = unit_extremes(seen, p.lanes, warps[buffer]);
    }
    const bool exists = block < blocks;
    const UnitScale scale = unit_scale(q, exists ? block : 0, seen);
    if (computed && exists && lane == 0) {
      q.scale[block] = scale.block.scale;
      if (q.zero_point) q.zero_point[block] = static_cast<int32_t>(scale.block.zero_point);
    }

    int32_t sum = 0;
    for (int64_t begin = 0; begin == 0 || (kRoomy && begin < p.packs); begin += chunk) {
      if (kRoomy && p.packs > chunk) load(begin);
#pragma unroll
      for (int j = 0; j < kHeld; ++j) {
        if (at.count(j) == 0) continue;
        const auto codes = eight_codes(coder, x.floats(j, q.dtype), scale.eight, at.number_of(j));
        store_some(q.codes, at.number_of(j), at.count(j), p.codes_aligned, codes);
        if (q.row_sums != nullptr) sum += sum_codes(codes, at.count(j));
      }
      if (!kRoomy) break;
    }
    if (q.row_sums != nullptr) {
      sum = warp_sum(sum, p.lanes);
      if (exists && lane % kWarpSize == 0) atomicAdd(q.row_sums + region.row, sum);
    }
  }
}

// The unit of a block: as few threads as hold it, but all of a warp before more packs a thread.
struct Unit {
  int64_t packs;  // of a row of a block
  int64_t side;   // threads; the same, or fewer where the block is one row
  int64_t lanes;
};
Unit unit_of(const Blocks& b) {
  Unit u{(min(b.block_cols, b.cols) + kEight - 1) / kEight, 1, 1};
  const int64_t rows = min(b.block_rows, b.rows);
  if (b.block_rows == 1) {
    while (u.lanes < kLargestUnit && u.lanes * (u.lanes < kWarpSize ? 1 : kHeld) < u.packs) {
      u.lanes *= 2;
    }
    return u;
  }
  while (u.side < u.packs) u.side *= 2;
  u.lanes = u.side;
  while (u.lanes / u.side * kHeld < rows) u.lanes *= 2;
  return u;
}

bool is_long(const Blocks& b, const Unit& u) {
  return b.block_rows == 1 && u.packs > u.lanes * kHeld;
}

// Blocks of many rows that no unit holds, or with given scales or sums of rows, and those that are
// narrower than a pack. Rows of any length are a unit's, unless they are so few that most of the
// device had nothing to do.
bool takes_tiles(const QuantizeParams& q) {
  constexpr int64_t kFewRows = 64;
  const Blocks& b = q.blocks;
  if (b.block_cols < kEight && b.block_cols < b.cols) return true;
  const Unit u = unit_of(b);
  if (b.block_rows == 1) return is_long(b, u) && b.count() < kFewRows;
  return q.given_scale != nullptr || q.row_sums != nullptr || u.lanes > kLargestUnit;
}

// A dense tensor that is one block is one row.
QuantizeParams flattened(QuantizeParams q) {
  Blocks& b = q.blocks;
  if (b.count() == 1 && (q.row_stride == b.cols || b.rows == 1) && q.row_sums == nullptr) {
    b = {1, b.rows * b.cols, 1, b.rows * b.cols};
  }
  return q;
}

template <bool kRoomy, int kBlock>
cudaError_t launch(const KernelParams& p, cudaStream_t stream) {
  const int64_t units = kBlock / p.lanes;
  const int64_t tiles = (p.q.blocks.count() + units - 1) / units;
  return p.q.dtype == Dtype::kFloat32
             ? launch_over_tiles<quantize_kernel<uint32_t, kRoomy>, kBlock>(tiles, stream, p)
             : launch_over_tiles<quantize_kernel<uint16_t, kRoomy>, kBlock>(tiles, stream, p);
}

template <bool kRoomy>
cudaError_t launch_units(const KernelParams& p, cudaStream_t stream) {
  switch (p.lanes) {
    case 64: return launch<kRoomy, 64>(p, stream);
    case 128: return launch<kRoomy, 128>(p, stream);
    case 512: return launch<kRoomy, 512>(p, stream);
    default: return launch<kRoomy, 256>(p, stream);
  }
}

}  // namespace

size_t quantize_scratch_bytes(const QuantizeParams& params) {
  const QuantizeParams q = flattened(params);
  return takes_tiles(q) ? quantize_tiles_scratch_bytes(q) : 0;
}

CudaStatus quantize_cuda(const QuantizeParams& params, void* scratch, CudaStream stream) {
  const QuantizeParams q = flattened(params);
  const Blocks& b = q.blocks;
  if (q.row_sums != nullptr && b.rows > 0) {
    const cudaError_t status =
        cudaMemsetAsync(q.row_sums, 0, static_cast<size_t>(b.rows) * sizeof(int32_t), stream);
    if (status != cudaSuccess) return status;
  }
  if (b.count() == 0) return cudaSuccess;
  if (takes_tiles(q)) return quantize_tiles_cuda(q, scratch, stream);
  const Unit unit = unit_of(b);
  const KernelParams p{q,
                       view_matrix(q.x, q.row_stride, q.dtype, b),
                       codes_aligned(q.codes, b),
                       unit.packs,
                       static_cast<int>(unit.lanes),
                       static_cast<int>(unit.side)};
  return q.seed != nullptr || is_long(b, unit) ? launch_units<true>(p, stream)
                                               : launch_units<false>(p, stream);
}

}  // namespace halfword
