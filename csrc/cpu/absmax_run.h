// What the range loops of all instruction sets have in common with who calls them: absmax, and
// whoever computes scales.
#pragma once

#include <cstdint>

#include "core/quantize_math.h"
#include "ops/absmax.h"

namespace halfword {

struct BlockMatrix {
  const void* x;  // [rows, cols] of dtype; columns are consecutive
  int64_t row_stride;
  Dtype dtype;
  Blocks blocks;
};

// A part of a matrix, within one row of its blocks.
struct BlockCell {
  const void* x;  // its first element
  int64_t row_stride;
  int64_t row;  // where in the matrix it begins, and its size
  int64_t col;
  int64_t rows;
  int64_t cols;
  int64_t block_cols;
  int64_t first_block;  // the number of the block of its first element

  HALFWORD_INLINE int64_t blocks() const {
    return (col + cols - 1) / block_cols - col / block_cols + 1;
  }
  // Blocks of few columns are not worth a loop each: they are handled in vectors across.
  HALFWORD_INLINE bool blocks_are_narrow() const { return block_cols < 32 && block_cols < cols; }
};

// Merges the range of each block's part in a cell into ranges[0], ranges[1], ...; low and high only
// if both_ends.
using BlockRangesLoop = void (*)(const BlockCell& cell, bool both_ends, BlockRange* ranges);

BlockRangesLoop block_ranges_portable(Dtype dtype);
BlockRangesLoop block_ranges_avx2(Dtype dtype);
BlockRangesLoop block_ranges_avx512(Dtype dtype);

BlockRangesLoop choose_block_ranges(Dtype dtype);  // for the instruction set in use

}  // namespace halfword
