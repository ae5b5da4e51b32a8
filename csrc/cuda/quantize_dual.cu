// A block of threads takes a tile of 128 x 128: a thread eight columns of four rows, whose codes it
// stores as they are, and turns by four bytes each into the tile of x^T in shared memory.
//
// Blocks of elements that divide the tile get their scales from it, so that x is read once. Of
// others block_range takes the extremes of both cuts in one read before.
#include "ops/quantize_dual.h"

#include "cuda/block_range.h"
#include "cuda/quantize.cuh"

namespace halfword {
namespace {

constexpr int kSide = 128;
constexpr int kAcross = kSide / kEight;  // threads side by side
constexpr int kTileThreads = kAcross * kSide / kHeld;
constexpr int kWords = kSide / kHeld;  // of four codes, down a column
constexpr int kStored = 16;            // codes that a thread stores of x^T at a time
constexpr int kMostBlocks = kSide / kEight * kSide / kHeld;

// One cut of x: where the scale of an element lies, and how far it holds.
struct Cut {
  Blocks blocks;  // of x, or of x^T
  const float* scale;
  const int32_t* zero_point;
  bool transposed;
  bool one_row;     // eight neighbours of a row have one scale
  bool one_column;  // so have four of a column
};

struct KernelParams {
  QuantizeDualParams d;
  MatrixView x;
  Cut cut;
  Cut cut_t;
  bool exact;  // codes_t are the codes
  bool codes_aligned;
  bool codes_t_aligned;
};

struct Shared {
  uint32_t below[kMostBlocks];
  uint32_t above[kMostBlocks];
  uint32_t turned[kSide][kWords];  // [column][four rows]
};

// Where a word of `turned` lies: so that neither the threads of a warp that write nor, mostly,
// those that read meet in a bank.
__device__ __forceinline__ int turned_place(int col, int word) { return word ^ (col / kEight * 2); }

__device__ __forceinline__ BlockScale scale_at(const Cut& c, int64_t row, int64_t col) {
  const int64_t block = c.transposed ? c.blocks.of(col, row) : c.blocks.of(row, col);
  const int32_t zero_point = c.zero_point == nullptr ? 0 : c.zero_point[block];
  return given_scale(c.scale[block], static_cast<float>(zero_point));
}

__device__ __forceinline__ void take_scales(const Cut& c, int64_t row, int64_t col, int count,
                                            EightScales& scales) {
  BlockScale one{};
#pragma unroll
  for (int e = 0; e < kEight; ++e) {
    if (e < count && (e == 0 || !c.one_row)) one = scale_at(c, row, col + e);
    scales.set(e, one.inv, one.zero_point);
  }
}

// The scales of the blocks in a tile, from the elements that its threads hold.
template <class Word>
__device__ __forceinline__ EightScales tile_scales(const KernelParams& p, const Eights<Word>& x,
                                                   int64_t row, int64_t col, Shared& shared) {
  const Blocks& b = p.d.blocks;
  const bool by_sign = p.d.mapping == Mapping::kAffine;
  const auto block_rows = static_cast<int>(b.block_rows);
  const auto block_cols = static_cast<int>(b.block_cols);
  for (int i = threadIdx.x; i < kMostBlocks; i += kTileThreads) {
    shared.below[i] = shared.above[i] = 0;
  }
  Extremes seen;
#pragma unroll
  for (int j = 0; j < kHeld; ++j) seen.see(x.floats(j, p.d.dtype), by_sign);
  for (int mask = block_cols / kEight / 2; mask > 0; mask /= 2) seen.see(from_lane(seen, mask));
  const int in_row = static_cast<int>(row % kSide) / block_rows;
  const int in_col = static_cast<int>(col % kSide) / block_cols;
  const int block = in_row * (kSide / block_cols) + in_col;
  __syncthreads();
  if (col % block_cols == 0) {
    atomicMax(&shared.below[block], seen.below);
    atomicMax(&shared.above[block], seen.above);
  }
  __syncthreads();
  const Extremes all{shared.below[block], shared.above[block]};
  const BlockScale scale = compute_scale(all.range(), p.d.mapping, p.d.bits);
  if (row % block_rows == 0 && col % block_cols == 0 && row < b.rows && col < b.cols) {
    const int64_t k = b.of(row, col);
    const int64_t t = p.d.blocks_t.of(col, row);
    p.d.scale[k] = p.d.scale_t[t] = scale.scale;
    if (p.d.zero_point) {
      p.d.zero_point[k] = p.d.zero_point_t[t] = static_cast<int32_t>(scale.zero_point);
    }
  }
  EightScales scales;
#pragma unroll
  for (int e = 0; e < kEight; ++e) scales.set(e, scale.inv, scale.zero_point);
  return scales;
}

// Four rows of eight codes as eight columns of four.
__device__ __forceinline__ void turn(const Pack<uint8_t, kEight> (&rows)[kHeld], int col, int word,
                                     Shared& shared) {
#pragma unroll
  for (int w = 0; w < 2; ++w) {
    const uint32_t low01 = __byte_perm(rows[0].raw[w], rows[1].raw[w], 0x5140);
    const uint32_t high01 = __byte_perm(rows[0].raw[w], rows[1].raw[w], 0x7362);
    const uint32_t low23 = __byte_perm(rows[2].raw[w], rows[3].raw[w], 0x5140);
    const uint32_t high23 = __byte_perm(rows[2].raw[w], rows[3].raw[w], 0x7362);
    const int first = col + 4 * w;
    const int place = turned_place(col, word);
    shared.turned[first][place] = __byte_perm(low01, low23, 0x5410);
    shared.turned[first + 1][place] = __byte_perm(low01, low23, 0x7632);
    shared.turned[first + 2][place] = __byte_perm(high01, high23, 0x5410);
    shared.turned[first + 3][place] = __byte_perm(high01, high23, 0x7632);
  }
}

__device__ __forceinline__ void store_turned(const KernelParams& p, int64_t row, int64_t col,
                                             const Shared& shared) {
  const Blocks& b = p.d.blocks;
  constexpr int kPieces = kSide / kStored;  // of a column
  for (int i = threadIdx.x; i < kSide * kPieces; i += kTileThreads) {
    const int in_col = i / kPieces;
    const int word = i % kPieces * (kStored / 4);
    const int64_t j = col + in_col;
    const int64_t first = row + word * 4;
    if (j >= b.cols || first >= b.rows) continue;
    Pack<uint8_t, kStored> pack;
#pragma unroll
    for (int w = 0; w < kStored / 4; ++w) {
      pack.raw[w] = shared.turned[in_col][turned_place(in_col, word + w)];
    }
    const int64_t left = b.rows - first;
    store_some(p.d.codes_t, j * b.rows + first, static_cast<int>(min(left, int64_t{kStored})),
               p.codes_t_aligned, pack);
  }
}

// kInTile: scales are computed here.
template <class Word, bool kInTile>
__global__ void __launch_bounds__(kTileThreads, kInTile ? kResidentEights<Word> : 1)
    quantize_dual_kernel(const KernelParams p) {
  __shared__ Shared shared;
  const QuantizeDualParams& d = p.d;
  const Coder coder(d.mapping, d.bits, d.seed, kRowCodeBits);
  const Coder coder_t(d.mapping, d.bits, d.seed, kTransposedCodeBits);
  const int in_row = threadIdx.x / kAcross * kHeld;
  const int in_col = threadIdx.x % kAcross * kEight;
  const int64_t side = (d.blocks.cols + kSide - 1) / kSide;
  const int64_t tiles = (d.blocks.rows + kSide - 1) / kSide * side;
  for (int64_t k = blockIdx.x; k < tiles; k += gridDim.x) {
    const int64_t row = k / side * kSide + in_row;
    const int64_t col = k % side * kSide + in_col;
    const Places at =
        places_down(row, col, d.blocks.rows, d.blocks.cols, 1, p.x.row_stride, d.blocks.cols);
    Eights<Word> x;
    x.load(p.x, at);
    EightScales scales;
    if constexpr (kInTile) scales = tile_scales(p, x, row, col, shared);
    Pack<uint8_t, kEight> codes[kHeld];
#pragma unroll
    for (int j = 0; j < kHeld; ++j) {
      if (!kInTile && (j == 0 || !p.cut.one_column)) {
        take_scales(p.cut, row + j, col, at.count(j), scales);
      }
      codes[j] = eight_codes(coder, x.floats(j, d.dtype), scales, at.number_of(j));
      store_some(d.codes, at.number_of(j), at.count(j), p.codes_aligned, codes[j]);
    }
    if (!kInTile && !p.exact) {
#pragma unroll
      for (int j = 0; j < kHeld; ++j) {
        if (j == 0 || !p.cut_t.one_column) {
          take_scales(p.cut_t, row + j, col, at.count(j), scales);
        }
        codes[j] = eight_codes(coder_t, x.floats(j, d.dtype), scales, at.number_of(j));
      }
    }
    turn(codes, in_col, in_row / kHeld, shared);
    __syncthreads();
    store_turned(p, row - in_row, col - in_col, shared);
    __syncthreads();  // read, before the next tile's are written
  }
}

// The scales of a tile's blocks follow from the tile.
bool fits_tile(const QuantizeDualParams& d) {
  const Blocks& b = d.blocks;
  return is_exact_copy(d) && b.block_rows <= kSide && kSide % b.block_rows == 0 &&
         b.block_rows % kHeld == 0 && b.block_cols <= kSide && kSide % b.block_cols == 0 &&
         b.block_cols % kEight == 0;
}

bool is_whole(int64_t of, int64_t all, int64_t piece) { return of >= all || of % piece == 0; }

Blocks transposed(const Blocks& b) { return {b.cols, b.rows, b.block_cols, b.block_rows}; }

// `blocks` are of x, or of x^T.
Cut make_cut(const Blocks& blocks, const float* scale, const int32_t* zero_point, bool of_x_t) {
  const Blocks on_x = of_x_t ? transposed(blocks) : blocks;
  return {blocks,
          scale,
          zero_point,
          of_x_t,
          is_whole(on_x.block_cols, on_x.cols, kEight),
          is_whole(on_x.block_rows, on_x.rows, kHeld)};
}

cudaError_t compute_scales(const QuantizeDualParams& d, void* scratch, cudaStream_t stream) {
  cudaError_t status = cudaMemsetAsync(scratch, 0, quantize_dual_scratch_bytes(d), stream);
  if (status != cudaSuccess) return status;
  const bool affine = d.mapping == Mapping::kAffine;
  auto* next = static_cast<uint32_t*>(scratch);
  const auto words_of = [&](const Blocks& b) {
    RangeWords words{nullptr, next};
    next += b.count();
    if (affine) words.below = next, next += b.count();
    return words;
  };
  const Blocks blocks_t = transposed(d.blocks_t);
  const bool exact = is_exact_copy(d);
  const RangeWords words = words_of(d.blocks);
  const RangeWords words_t = exact ? RangeWords{} : words_of(blocks_t);
  BlockRangeParams range{d.x, d.row_stride, d.dtype, {}, {}, d.blocks, words};
  if (!exact) {
    const bool flat_first = d.blocks.block_rows == 1;
    range.flat = flat_first ? d.blocks : blocks_t;
    range.flat_words = flat_first ? words : words_t;
    range.tall = flat_first ? blocks_t : d.blocks;
    range.tall_words = flat_first ? words_t : words;
  }
  status = static_cast<cudaError_t>(block_range_cuda(range, stream));
  if (status != cudaSuccess) return status;
  BlockScaleParams scales{words,
                          d.blocks,
                          d.mapping,
                          d.bits,
                          d.scale,
                          d.zero_point,
                          exact ? d.scale_t : nullptr,
                          exact ? d.zero_point_t : nullptr};
  status = static_cast<cudaError_t>(block_scale_cuda(scales, stream));
  if (status != cudaSuccess || exact) return status;
  scales = {words_t, blocks_t, d.mapping, d.bits, nullptr, nullptr, d.scale_t, d.zero_point_t};
  return static_cast<cudaError_t>(block_scale_cuda(scales, stream));
}

template <bool kInTile>
cudaError_t launch(const KernelParams& p, cudaStream_t stream) {
  const Blocks& b = p.d.blocks;
  const int64_t tiles = (b.rows + kSide - 1) / kSide * ((b.cols + kSide - 1) / kSide);
  return p.d.dtype == Dtype::kFloat32
             ? launch_over_tiles<quantize_dual_kernel<uint32_t, kInTile>, kTileThreads>(tiles,
                                                                                        stream, p)
             : launch_over_tiles<quantize_dual_kernel<uint16_t, kInTile>, kTileThreads>(tiles,
                                                                                        stream, p);
}

}  // namespace

size_t quantize_dual_scratch_bytes(const QuantizeDualParams& d) {
  if (fits_tile(d)) return 0;
  const int64_t words = d.blocks.count() + (is_exact_copy(d) ? 0 : d.blocks_t.count());
  return static_cast<size_t>(d.mapping == Mapping::kAffine ? 2 * words : words) * sizeof(uint32_t);
}

CudaStatus quantize_dual_cuda(const QuantizeDualParams& d, void* scratch, CudaStream stream) {
  const Blocks& b = d.blocks;
  if (b.count() == 0) return cudaSuccess;
  if (!fits_tile(d)) {
    const cudaError_t status = compute_scales(d, scratch, stream);
    if (status != cudaSuccess) return status;
  }
  const Blocks whole{b.rows, b.cols, b.rows, b.cols};
  const KernelParams p{d,
                       view_matrix(d.x, d.row_stride, d.dtype, whole),
                       make_cut(b, d.scale, d.zero_point, false),
                       make_cut(d.blocks_t, d.scale_t, d.zero_point_t, true),
                       is_exact_copy(d),
                       codes_aligned(d.codes, whole),
                       is_multiple(d.codes_t, kStored) && (b.cols == 1 || b.rows % kStored == 0)};
  return fits_tile(d) ? launch<true>(p, stream) : launch<false>(p, stream);
}

}  // namespace halfword
