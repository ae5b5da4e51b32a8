// A matrix cut into tiles for blocks of kThreads threads. A thread takes eight columns of
// kTileRows rows; no tile crosses the border between two blocks of elements one below the other.
#pragma once

#include "core/blocks.h"
#include "cuda/quantize.cuh"

namespace halfword {

constexpr int kTileRows = 2 * kHeld;

struct Tile {
  int64_t row;
  int64_t col;
  int64_t end_row;
};

struct MatrixTiles {
  int64_t rows;
  int64_t cols;
  int64_t band;    // rows of a block of elements
  int64_t chunks;  // tiles of a band, one below the other
  int64_t side;    // tiles side by side
  int across;      // threads side by side

  HALFWORD_INLINE int down() const { return kThreads / across; }
  HALFWORD_INLINE int64_t count() const { return (rows + band - 1) / band * chunks * side; }

  __device__ __forceinline__ Tile at(int64_t number) const {
    const int64_t strip = number / side;
    const int64_t row = strip / chunks * band + strip % chunks * (down() * kTileRows);
    const int64_t in_band = (strip / chunks + 1) * band;
    return {row, (number - strip * side) * across * kEight,
            min(min(in_band, rows), row + down() * kTileRows)};
  }

  // Of this thread: its first column, and where its part of kHeld rows lies in the matrix.
  __device__ __forceinline__ int64_t col_of(const Tile& tile) const {
    return tile.col + (threadIdx.x & (across - 1)) * kEight;
  }
  __device__ __forceinline__ Places places(const Tile& tile, int part, int64_t row_stride) const {
    const int64_t row = tile.row + threadIdx.x / across + int64_t{part} * kHeld * down();
    return places_down(row, col_of(tile), tile.end_row, cols, down(), row_stride, cols);
  }
};

// Wide tiles where bands are low; else a warp's width, so that many rows share what is done once a
// column. No wider than the matrix.
inline MatrixTiles cut_matrix(int64_t rows, int64_t cols, int64_t block_rows) {
  MatrixTiles t{rows, cols, block_rows < rows ? block_rows : rows, 1, 1, kThreads};
  const int64_t packs = (cols + kEight - 1) / kEight;
  while (t.across > 1 &&
         (t.across / 2 >= packs || (t.across > kWarpSize && t.down() * kTileRows < t.band))) {
    t.across /= 2;
  }
  const int64_t height = t.down() * kTileRows;
  t.chunks = (t.band + height - 1) / height;
  t.side = (packs + t.across - 1) / t.across;
  return t;
}

}  // namespace halfword
