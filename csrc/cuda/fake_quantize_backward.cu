// A warp a piece, so that the lanes of the contract's sums are the warp's; the sums of pieces are
// added by a second kernel, a warp a block. Columns that are each a block are taken 32 beside one
// another: a thread has four of a column's lanes, which meet in shared memory.
#include "ops/fake_quantize_backward.h"

#include "core/fake_quantize_math.h"
#include "cuda/elements.cuh"
#include "cuda/launch.cuh"

namespace halfword {
namespace {

constexpr int kLanes = FakeQuantizeBackwardParams::kLanes;
constexpr int64_t kPiece = FakeQuantizeBackwardParams::kPiece;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int kMine = kLanes / kWarps;  // lanes of a thread
static_assert(kLanes == kWarpSize);

struct KernelParams {
  FakeQuantizeBackwardParams op;
  CodeRange range;
  int64_t row_pieces;
  float* scale_sums;  // of the pieces, or null
  float* zero_point_sums;
};

struct Gradient {
  float d_out;
  FakeGradient<F32> of;
};

__device__ __forceinline__ BlockScale scale_of(const FakeQuantizeBackwardParams& p, int64_t block) {
  return given_scale(p.scale[block],
                     p.zero_point == nullptr ? 0.0f : static_cast<float>(p.zero_point[block]));
}

__device__ __forceinline__ U32 random_of(int64_t seed, int64_t element) {
  const auto call = static_cast<uint64_t>(element / kElementsPerPhilox);
  const RandomStream stream = quantize_random(static_cast<uint64_t>(seed), kRowCodeBits);
  const auto words = random_words<U32>(stream, U32(static_cast<uint32_t>(call)),
                                       static_cast<uint32_t>(call >> 32));
  return random_bits(words, static_cast<int>(element % kElementsPerPhilox));
}

// Of one element, whose d_x is stored.
template <class Format>
__device__ __forceinline__ Gradient gradient_at(const KernelParams& p, int64_t at,
                                                const BlockScale& s) {
  const F32 d_out = load_floats<Format, 1>(p.op.d_out, at).v[0];
  const F32 x = load_floats<Format, 1>(p.op.x, at).v[0];
  const F32 scale(s.scale), inv(s.inv), zero_point(s.zero_point);
  Gradient g{d_out.v, {F32(0.0f), F32(0.0f), F32(0.0f)}};
  if (p.op.mapping == Mapping::kLog2) {
    g.of.d_x = log2_gradient(d_out, x, inv);
  } else {
    const F32 code = p.op.seed == nullptr ? linear_code(x, inv, zero_point, p.range)
                                          : linear_code_stochastic(x, inv, zero_point, p.range,
                                                                   random_of(*p.op.seed, at));
    g.of = linear_gradient(d_out, x, code, scale, inv, zero_point, p.range, p.op.seed != nullptr);
  }
  store_floats<Format, 1>(p.op.d_x, at, {g.of.d_x});
  return g;
}

// Adds (i, i + 16), (i, i + 8), ... of a warp's values; the sum is the first thread's.
template <class T>
__device__ __forceinline__ T add_lanes(T sum) {
#pragma unroll
  for (int half = kLanes / 2; half > 0; half /= 2) sum += __shfl_down_sync(kAllLanes, sum, half);
  return sum;
}

struct Sums {
  F32 scale;
  F32 zero_point;
};

template <class Format>
__device__ __forceinline__ Sums piece_sums(const KernelParams& p, int64_t first, int64_t count,
                                           const BlockScale& scale) {
  Sums sums{F32(0.0f), F32(0.0f)};
#pragma unroll 4
  for (int64_t i = threadIdx.x % kWarpSize; i < count; i += kLanes) {
    const Gradient g = gradient_at<Format>(p, first + i, scale);
    sums.scale = fma(F32(g.d_out), g.of.scale_factor, sums.scale);
    sums.zero_point = fma(F32(g.d_out), g.of.zero_point_factor, sums.zero_point);
  }
  return sums;
}

__device__ __forceinline__ Sums any_piece_sums(const KernelParams& p, int64_t first, int64_t count,
                                               const BlockScale& scale) {
  switch (p.op.dtype) {
    case Dtype::kFloat32: return piece_sums<Float32>(p, first, count, scale);
    case Dtype::kBFloat16: return piece_sums<BFloat16>(p, first, count, scale);
    case Dtype::kFloat16: return piece_sums<Float16>(p, first, count, scale);
  }
  return {F32(0.0f), F32(0.0f)};
}

__global__ void __launch_bounds__(kThreads)
    fake_quantize_backward_pieces_kernel(const KernelParams p) {
  const Blocks& blocks = p.op.blocks;
  const int64_t mine = p.op.pieces_of_row();
  const int64_t pieces = blocks.rows * p.row_pieces;
  for (int64_t k = blockIdx.x * kWarps + threadIdx.x / kWarpSize; k < pieces;
       k += gridDim.x * kWarps) {
    const int64_t row = k / p.row_pieces;
    const int64_t across = k % p.row_pieces / mine;
    const int64_t begin = across * blocks.block_cols;
    const int64_t col = begin + k % mine * kPiece;
    const int64_t stop =
        begin + blocks.block_cols < blocks.cols ? begin + blocks.block_cols : blocks.cols;
    const int64_t count = stop - col < kPiece ? stop - col : kPiece;  // < 0: an empty one
    const int64_t block = row / blocks.block_rows * blocks.across() + across;
    const Sums sums = any_piece_sums(p, row * blocks.cols + col, count, scale_of(p.op, block));
    const float scale = add_lanes(sums.scale.v);
    const float zero_point = add_lanes(sums.zero_point.v);
    if (threadIdx.x % kWarpSize != 0) continue;
    if (p.scale_sums != nullptr) p.scale_sums[k] = scale;
    if (p.zero_point_sums != nullptr) p.zero_point_sums[k] = zero_point;
  }
}

__device__ __forceinline__ void add_pieces(const KernelParams& p, int64_t block, const float* sums,
                                           float* out) {
  if (out == nullptr) return;
  const Blocks& blocks = p.op.blocks;
  const int64_t mine = p.op.pieces_of_row();
  const int64_t row = block / blocks.across() * blocks.block_rows;
  const int64_t left = blocks.rows - row;
  const int64_t pieces = (left < blocks.block_rows ? left : blocks.block_rows) * mine;
  sums += row * p.row_pieces + block % blocks.across() * mine;
  double sum = 0.0;
#pragma unroll 8
  for (int64_t k = threadIdx.x % kWarpSize; k < pieces; k += kLanes) {
    sum += static_cast<double>(sums[k / mine * p.row_pieces + k % mine]);
  }
  sum = add_lanes(sum);
  if (threadIdx.x % kWarpSize == 0) out[block] = static_cast<float>(sum);
}

__global__ void __launch_bounds__(kThreads)
    fake_quantize_backward_sums_kernel(const KernelParams p) {
  const int64_t blocks = p.op.blocks.count();
  for (int64_t block = blockIdx.x * kWarps + threadIdx.x / kWarpSize; block < blocks;
       block += gridDim.x * kWarps) {
    add_pieces(p, block, p.scale_sums, p.op.d_scale);
    add_pieces(p, block, p.zero_point_sums, p.op.d_zero_point);
  }
}

// Adds the lanes of 32 columns, of which each thread brings kMine of one.
__device__ __forceinline__ void add_columns(const double (&mine)[kMine], int64_t first,
                                            int64_t cols, float* out) {
  __shared__ double lanes[kLanes][kWarpSize];
  if (out == nullptr) return;
  const int col = threadIdx.x % kWarpSize;
  const int warp = threadIdx.x / kWarpSize;
  __syncthreads();  // whoever still reads the last ones
#pragma unroll
  for (int j = 0; j < kMine; ++j) lanes[warp + j * kWarps][col] = mine[j];
  for (int half = kLanes / 2; half > 0; half /= 2) {
    __syncthreads();
    for (int l = warp; l < half; l += kWarps) lanes[l][col] += lanes[l + half][col];
  }
  if (warp == 0 && col < cols) out[first + col] = static_cast<float>(lanes[0][col]);
}

struct ColumnSums {
  double scale[kMine];
  double zero_point[kMine];
};

// Row r of the block is of lane r % 32; those of lane w + j * kWarps are warp w's.
template <class Format>
__device__ __forceinline__ ColumnSums column_sums(const KernelParams& p, int64_t first,
                                                  int64_t rows, const BlockScale& scale) {
  ColumnSums sums{};
  for (int64_t r = threadIdx.x / kWarpSize; r < rows; r += kLanes) {
#pragma unroll
    for (int j = 0; j < kMine; ++j) {
      if (r + j * kWarps >= rows) continue;
      const Gradient g = gradient_at<Format>(p, first + (r + j * kWarps) * p.op.blocks.cols, scale);
      sums.scale[j] += static_cast<double>(g.d_out * g.of.scale_factor.v);
      sums.zero_point[j] += static_cast<double>(g.d_out * g.of.zero_point_factor.v);
    }
  }
  return sums;
}

__device__ __forceinline__ ColumnSums any_column_sums(const KernelParams& p, int64_t first,
                                                      int64_t rows, const BlockScale& scale) {
  switch (p.op.dtype) {
    case Dtype::kFloat32: return column_sums<Float32>(p, first, rows, scale);
    case Dtype::kBFloat16: return column_sums<BFloat16>(p, first, rows, scale);
    case Dtype::kFloat16: return column_sums<Float16>(p, first, rows, scale);
  }
  return {};
}

__global__ void __launch_bounds__(kThreads)
    fake_quantize_backward_columns_kernel(const KernelParams p) {
  const Blocks& blocks = p.op.blocks;
  const int64_t across = (blocks.cols + kWarpSize - 1) / kWarpSize;
  for (int64_t k = blockIdx.x; k < blocks.down() * across; k += gridDim.x) {
    const int64_t row = k / across * blocks.block_rows;
    const int64_t col = k % across * kWarpSize;
    const int64_t left = blocks.rows - row;
    const int64_t rows = left < blocks.block_rows ? left : blocks.block_rows;
    const int64_t mine = col + threadIdx.x % kWarpSize;
    const int64_t block = k / across * blocks.cols + col;
    ColumnSums sums{};
    if (mine < blocks.cols) {
      sums = any_column_sums(p, row * blocks.cols + mine, rows, scale_of(p.op, block + mine - col));
    }
    add_columns(sums.scale, block, blocks.cols - col, p.op.d_scale);
    add_columns(sums.zero_point, block, blocks.cols - col, p.op.d_zero_point);
  }
}

bool in_columns(const FakeQuantizeBackwardParams& p) { return p.blocks.block_cols == 1; }

// The sum of a piece is the block's.
bool has_single_pieces(const FakeQuantizeBackwardParams& p) {
  return p.blocks.block_rows == 1 && p.pieces_of_row() == 1;
}

int64_t pieces_of(const FakeQuantizeBackwardParams& p) {
  return p.blocks.rows * p.blocks.across() * p.pieces_of_row();
}

int64_t warps_to_blocks(int64_t warps) { return (warps + kWarps - 1) / kWarps; }

}  // namespace

size_t fake_quantize_backward_scratch_bytes(const FakeQuantizeBackwardParams& params) {
  if (in_columns(params) || has_single_pieces(params)) return 0;
  const int sums = (params.d_scale != nullptr) + (params.d_zero_point != nullptr);
  return static_cast<size_t>(sums * pieces_of(params)) * sizeof(float);
}

CudaStatus fake_quantize_backward_cuda(const FakeQuantizeBackwardParams& params, void* scratch,
                                       CudaStream stream) {
  const Blocks& blocks = params.blocks;
  KernelParams p{params, code_range(params.mapping, params.bits),
                 blocks.across() * params.pieces_of_row(), params.d_scale, params.d_zero_point};
  if (in_columns(params)) {
    const int64_t tiles = blocks.down() * ((blocks.cols + kWarpSize - 1) / kWarpSize);
    return launch_over_tiles<fake_quantize_backward_columns_kernel>(tiles, stream, p);
  }
  const bool added_later = !has_single_pieces(params);
  if (added_later) {
    auto* sums = static_cast<float*>(scratch);
    p.scale_sums = params.d_scale == nullptr ? nullptr : sums;
    if (params.d_scale != nullptr) sums += pieces_of(params);
    p.zero_point_sums = params.d_zero_point == nullptr ? nullptr : sums;
  }
  const cudaError_t status = launch_over_tiles<fake_quantize_backward_pieces_kernel>(
      warps_to_blocks(pieces_of(params)), stream, p);
  if (status != cudaSuccess || !added_later || (!params.d_scale && !params.d_zero_point)) {
    return status;
  }
  return launch_over_tiles<fake_quantize_backward_sums_kernel>(warps_to_blocks(blocks.count()),
                                                               stream, p);
}

}  // namespace halfword
