// How a matrix is cut into the blocks that share a scale.
#pragma once

#include <cstdint>

#include "core/host_device.h"

namespace halfword {

// One block a tensor [rows, cols], a row [1, cols], a column [rows, 1], a group of a row [1, g], or
// any other. The last block of a row or column may be smaller. Sizes of a block are at least 1.
struct Blocks {
  int64_t rows;
  int64_t cols;
  int64_t block_rows;
  int64_t block_cols;

  HALFWORD_INLINE int64_t down() const { return (rows + block_rows - 1) / block_rows; }
  HALFWORD_INLINE int64_t across() const { return (cols + block_cols - 1) / block_cols; }
  HALFWORD_INLINE int64_t count() const { return down() * across(); }
  // The number of the block of element (i, j); scales and zero points lie in this order.
  HALFWORD_INLINE int64_t of(int64_t i, int64_t j) const {
    return i / block_rows * across() + j / block_cols;
  }
};

}  // namespace halfword
