// How a matrix that is cut in blocks is shared out: in cells, each within one row of blocks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <vector>

#include "core/parallel.h"
#include "cpu/absmax_run.h"
#include "cpu/gather.h"

namespace halfword {

class BlockCells {
 public:
  // Of whole blocks, so that what is found in a cell can be used at once.
  static BlockCells of_blocks(const Blocks& blocks, Dtype dtype) {
    const auto size = static_cast<int64_t>(element_size(dtype));
    const int64_t fit = kCacheBytes / size / std::min(blocks.block_rows, kCacheBytes);
    return {blocks, blocks.block_rows,
            std::max(fit / blocks.block_cols, int64_t{1}) * blocks.block_cols};
  }
  // Of parts of blocks, about as large as each other.
  static BlockCells of_parts(const Blocks& blocks) {
    const int64_t cols = std::max<int64_t>(1, std::min(blocks.cols, kPartElements));
    return {blocks, std::min(blocks.block_rows, std::max<int64_t>(1, kPartElements / cols)), cols};
  }
  // Whether a cell of whole blocks stays in a core's cache from one read to the next, without being
  // too narrow to be read row by row.
  static bool blocks_fit_cache(const Blocks& blocks, Dtype dtype) {
    const int64_t cols = std::max(blocks.block_cols, std::min(blocks.cols, kNarrowestCell));
    return blocks.block_rows <= kCacheBytes / static_cast<int64_t>(element_size(dtype)) / cols;
  }

  int64_t count() const { return blocks_.down() * parts_ * strips_; }
  // No cell has a part of more blocks than this.
  int64_t most_blocks() const { return std::min(cols_, blocks_.cols) / blocks_.block_cols + 2; }

  BlockCell cell(const BlockMatrix& matrix, int64_t k) const {
    const int64_t band = k / (parts_ * strips_);
    const int64_t top = band * blocks_.block_rows;
    const int64_t bottom = std::min(top + blocks_.block_rows, blocks_.rows);
    BlockCell c;
    c.row = top + k / strips_ % parts_ * rows_;
    c.col = k % strips_ * cols_;
    c.rows = std::min(rows_, bottom - c.row);  // not above 0 where the last blocks are shorter
    c.cols = std::min(cols_, blocks_.cols - c.col);
    c.block_cols = blocks_.block_cols;
    c.first_block = band * blocks_.across() + c.col / c.block_cols;
    c.x = advance(matrix.x, c.row * matrix.row_stride + c.col, element_size(matrix.dtype));
    c.row_stride = matrix.row_stride;
    return c;
  }

  // Calls body(first, last) for ranges of cells, on the caller's threads.
  template <class Body>
  void parallel_for_each(ParallelFor parallel, const Body& body) const {
    constexpr int64_t kWorthAThread = 1 << 15;  // elements, as in cpu/tiles.h
    const int64_t elements = std::min(rows_, blocks_.rows) * std::min(cols_, blocks_.cols);
    if (elements == 0) return;
    parallel_for(parallel, count(), std::max<int64_t>(1, kWorthAThread / elements), body);
  }

 private:
  // Half of the second-level cache that a core has at least; the rest is for what is written.
  static constexpr int64_t kCacheBytes = 1 << 19;
  static constexpr int64_t kNarrowestCell = 512;  // columns: prefetchers and pages like long runs
  static constexpr int64_t kPartElements = 1 << 17;  // many rows a part, many parts a matrix

  BlockCells(const Blocks& blocks, int64_t rows, int64_t cols)
      : blocks_(blocks),
        rows_(rows),
        cols_(cols),
        parts_((blocks.block_rows + rows - 1) / rows),
        strips_((blocks.cols + cols - 1) / cols) {}

  Blocks blocks_;
  int64_t rows_;  // of a cell
  int64_t cols_;
  int64_t parts_;   // cells below one another in a block
  int64_t strips_;  // cells beside one another
};

// Calls done(block, range) for each block once its range is known, on any thread.
template <class Done>
void find_ranges(const BlockMatrix& matrix, bool both_ends, ParallelFor parallel,
                 const Done& done) {
  const Blocks& blocks = matrix.blocks;
  const BlockRangesLoop loop = choose_block_ranges(matrix.dtype);
  const bool whole = BlockCells::blocks_fit_cache(blocks, matrix.dtype);
  const BlockCells cells =
      whole ? BlockCells::of_blocks(blocks, matrix.dtype) : BlockCells::of_parts(blocks);
  std::vector<BlockRange> all(whole ? 0 : static_cast<size_t>(blocks.count()));
  std::mutex mutex;
  cells.parallel_for_each(parallel, [&](int64_t first, int64_t last) {
    std::vector<BlockRange> ranges(static_cast<size_t>(cells.most_blocks()));
    for (int64_t k = first; k < last; ++k) {
      const BlockCell cell = cells.cell(matrix, k);
      if (cell.rows <= 0) continue;
      const int64_t count = cell.blocks();
      std::fill_n(ranges.begin(), count, BlockRange{});
      loop(cell, both_ends, ranges.data());
      if (whole) {
        for (int64_t b = 0; b < count; ++b) done(cell.first_block + b, ranges[b]);
      } else {
        const std::lock_guard<std::mutex> lock(mutex);
        for (int64_t b = 0; b < count; ++b) merge_range(ranges[b], &all[cell.first_block + b]);
      }
    }
  });
  for (size_t b = 0; b < all.size(); ++b) done(static_cast<int64_t>(b), all[b]);
}

}  // namespace halfword
