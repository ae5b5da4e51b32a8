// What both quantizations of a matrix are made of: regions of it, and for each side the ranges and
// scales of its blocks.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/quantize_dual_run.h"
#include "cpu/tiles.h"

namespace halfword {

// Rows [row, row + rows) and columns [col, col + cols) of x.
struct Region {
  int64_t row;
  int64_t col;
  int64_t rows;
  int64_t cols;
};

// Of an element in a region.
struct Place {
  int64_t row;
  int64_t col;
};

inline Blocks blocks_of(const Region& region, const Blocks& model) {
  return {region.rows, region.cols, model.block_rows, model.block_cols};
}

// Ranges that begin empty. A vector may be read and written past the last.
class Ranges {
 public:
  Ranges(int64_t count, bool affine)
      : largest_(padded(count)), low_(affine ? padded(count) : 0), high_(low_.size()) {}

  RangeArrays at(int64_t i) {
    if (low_.empty()) return {largest_.data() + i, nullptr, nullptr};
    return {largest_.data() + i, low_.data() + i, high_.data() + i};
  }

 private:
  static size_t padded(int64_t count) { return static_cast<size_t>(count + kVectorMultiple); }

  std::vector<uint32_t> largest_;
  std::vector<float> low_, high_;
};

inline RangeArrays advance(const RangeArrays& ranges, int64_t i) {
  if (ranges.low == nullptr) return {ranges.largest + i, nullptr, nullptr};
  return {ranges.largest + i, ranges.low + i, ranges.high + i};
}

// One of the two quantizations of a region, over blocks of x (not of x^T). Vectors may be read past
// the last scale.
struct Side {
  Side(const Blocks& b, bool affine) : blocks(b), ranges(b.count(), affine) {
    inv.resize(b.count() + kVectorMultiple);
    if (affine) zero_point.resize(inv.size());
  }

  Blocks blocks;
  Ranges ranges;
  std::vector<float> inv;
  std::vector<float> zero_point;
  bool finite = true;  // whether all scales are
};

}  // namespace halfword
