// Walking a cell of blocks in vectors. Include after one of the simd_*.h headers.
#pragma once

#include <cstdint>

#include "cpu/absmax_run.h"
#include "cpu/elements.h"

namespace halfword {
namespace {

// Columns that per-column values are kept for at once: some 12 KiB of them.
constexpr int64_t kColumnsAtOnce = 1024;

template <class Element>
HALFWORD_INLINE const void* matrix_row(const void* x, int64_t row_stride, int64_t row) {
  return static_cast<const typename Element::Word*>(x) + row * row_stride;
}

template <class Element>
HALFWORD_INLINE const void* row_of(const BlockCell& cell, int64_t row, int64_t col) {
  return static_cast<const typename Element::Word*>(cell.x) + row * cell.row_stride + col;
}

// Elements [i, i + count) of x, fewer than a vector, and zeros.
template <class Element>
HALFWORD_INLINE F32 load_some(const void* x, int64_t i, int64_t count) {
  constexpr int64_t kSize = sizeof(typename Element::Word);
  alignas(64) char padded[kLanes * kSize] = {};
  __builtin_memcpy(padded, static_cast<const char*>(x) + i * kSize,
                   static_cast<size_t>(count * kSize));
  return Element::load(padded, 0);
}

// Calls body(block, begin, end) for the blocks of columns [begin, end) of a cell; the first block
// of the cell has number 0.
template <class Body>
HALFWORD_INLINE void for_each_block(const BlockCell& cell, int64_t begin, int64_t end,
                                    const Body& body) {
  int64_t block = (cell.col + begin) / cell.block_cols - cell.col / cell.block_cols;
  int64_t left = cell.block_cols - (cell.col + begin) % cell.block_cols;
  while (begin < end) {
    const int64_t stop = left < end - begin ? begin + left : end;
    body(block, begin, stop);
    ++block;
    begin = stop;
    left = cell.block_cols;
  }
}

// What is read some rows after a run of row r, on its way to the second cache, where a cell is read
// in strips of so many columns. Whole rows are read from end to end, and processors see that
// themselves.
template <class Element>
struct RowPrefetch {
  static constexpr int64_t kSize = sizeof(typename Element::Word);
  static constexpr int64_t kAhead = 4096;  // bytes, about
  const BlockCell& cell;
  int64_t width;
  int64_t rows;  // that are ahead
  bool useful;

  HALFWORD_INLINE RowPrefetch(const BlockCell& c, int64_t columns)
      : cell(c),
        width(columns),
        rows(kAhead / (columns * kSize + 1) + 1),
        useful(columns < c.row_stride) {}

  HALFWORD_INLINE void run(int64_t r, int64_t begin, int64_t end) const {
    if (!useful) return;
    const void* x = from(r, begin);
    for (int64_t b = 0; b < (end - begin) * kSize; b += 64) {
      __builtin_prefetch(static_cast<const char*>(x) + b, 0, 2);
    }
  }
  // Behind the last row of a strip comes the first of the one beside it.
  HALFWORD_INLINE const void* from(int64_t r, int64_t begin) const {
    const bool inside = r + rows < cell.rows;
    const int64_t row = inside ? r + rows : r + rows - cell.rows;
    return row_of<Element>(cell, row, inside ? begin : begin + width);
  }
};

}  // namespace
}  // namespace halfword
