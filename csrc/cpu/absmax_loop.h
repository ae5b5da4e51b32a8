// The range of the elements of each block, written once for every instruction set and type.
// Include after one of the simd_*.h headers.
#pragma once

#include "cpu/block_walk.h"

namespace halfword {
namespace {

// A row's part of a wide block: magnitudes are compared as the words that lie in memory.
template <class Element>
HALFWORD_INLINE uint32_t largest_of_run(const void* x, int64_t count) {
  constexpr int64_t kMultiple = 16;  // of the counts that the vocabulary takes
  using Word = typename Element::Word;
  const int64_t whole = count / kMultiple * kMultiple;
  uint32_t largest = Element::largest_magnitude(x, whole);
  if (whole < count) {
    alignas(64) char padded[kMultiple * sizeof(Word)] = {};
    __builtin_memcpy(padded, static_cast<const Word*>(x) + whole,
                     static_cast<size_t>(count - whole) * sizeof(Word));
    const uint32_t rest = Element::largest_magnitude(padded, kMultiple);
    if (rest > largest) largest = rest;
  }
  return Element::magnitude_as_float32(largest);
}

struct VectorRange {
  U32 largest;
  F32 low;
  F32 high;

  template <bool kBothEnds>
  HALFWORD_INLINE void add(F32 x) {
    largest = maximum(largest, bits(x) & U32(kFloat32Magnitude));
    if (!kBothEnds) return;
    low = minimum(x, low);
    high = maximum(x, high);
  }
};

template <class Element>
HALFWORD_INLINE void merge_run(const void* x, int64_t count, bool both_ends, BlockRange* range) {
  if (!both_ends) return merge_range({largest_of_run<Element>(x, count), 0.0f, 0.0f}, range);
  VectorRange lanes{U32(0u), F32(0.0f), F32(0.0f)};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) lanes.add<true>(Element::load(x, i));
  if (i < count) lanes.add<true>(load_some<Element>(x, i, count - i));
  alignas(64) float low[kLanes], high[kLanes];
  store_floats(low, lanes.low);
  store_floats(high, lanes.high);
  const uint32_t largest = largest_lane(lanes.largest);
  for (int l = 0; l < kLanes; ++l) merge_range({largest, low[l], high[l]}, range);
}

// The ranges of columns so far.
struct ColumnRanges {
  alignas(64) uint32_t largest[kColumnsAtOnce];
  alignas(64) float low[kColumnsAtOnce];
  alignas(64) float high[kColumnsAtOnce];
};

// Adds kRows rows of `count` columns, which stay in registers meanwhile.
template <class Element, bool kBothEnds, int kRows>
HALFWORD_INLINE void add_rows(const void* x, const void* ahead, int64_t row_stride, int64_t count,
                              ColumnRanges* columns) {
  using Word = typename Element::Word;
  for (int64_t i = 0; i < count; i += kLanes) {
    VectorRange lanes{load_words(columns->largest + i), load_floats(columns->low + i),
                      load_floats(columns->high + i)};
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) {
      const void* from = static_cast<const Word*>(x) + row * row_stride;
      __builtin_prefetch(static_cast<const Word*>(ahead) + row * row_stride + i, 0, 2);
      lanes.add<kBothEnds>(i + kLanes <= count ? Element::load(from, i)
                                               : load_some<Element>(from, i, count - i));
    }
    store_words(columns->largest + i, lanes.largest);
    if (!kBothEnds) continue;
    store_floats(columns->low + i, lanes.low);
    store_floats(columns->high + i, lanes.high);
  }
}

template <class Element, bool kBothEnds>
HALFWORD_INLINE void merge_columns(const BlockCell& cell, int64_t begin, int64_t end,
                                   BlockRange* ranges) {
  constexpr int kRowsAtOnce = 4;
  ColumnRanges columns;
  const int64_t count = end - begin;
  for (int64_t i = 0; i < count; i += kLanes) {
    store_words(columns.largest + i, U32(0u));
    store_floats(columns.low + i, F32(0.0f));
    store_floats(columns.high + i, F32(0.0f));
  }
  const RowPrefetch<Element> prefetch(cell, count);
  int64_t r = 0;
  for (; r + kRowsAtOnce <= cell.rows; r += kRowsAtOnce) {
    add_rows<Element, kBothEnds, kRowsAtOnce>(row_of<Element>(cell, r, begin),
                                              prefetch.from(r + kRowsAtOnce, begin),
                                              cell.row_stride, count, &columns);
  }
  for (; r < cell.rows; ++r) {
    add_rows<Element, kBothEnds, 1>(row_of<Element>(cell, r, begin), prefetch.from(r, begin),
                                    cell.row_stride, count, &columns);
  }
  for_each_block(cell, begin, end, [&](int64_t block, int64_t first, int64_t stop) {
    BlockRange range = ranges[block];
    for (int64_t c = first - begin; c < stop - begin; ++c) {
      merge_range({columns.largest[c], columns.low[c], columns.high[c]}, &range);
    }
    ranges[block] = range;
  });
}

template <class Element>
void block_ranges(const BlockCell& cell, bool both_ends, BlockRange* ranges) {
  if (cell.blocks_are_narrow()) {
    for (int64_t c = 0; c < cell.cols; c += kColumnsAtOnce) {
      const int64_t end = c + kColumnsAtOnce < cell.cols ? c + kColumnsAtOnce : cell.cols;
      if (both_ends) {
        merge_columns<Element, true>(cell, c, end, ranges);
      } else {
        merge_columns<Element, false>(cell, c, end, ranges);
      }
    }
    return;
  }
  const RowPrefetch<Element> prefetch(cell, cell.cols);
  for (int64_t r = 0; r < cell.rows; ++r) {
    for_each_block(cell, 0, cell.cols, [&](int64_t block, int64_t begin, int64_t end) {
      prefetch.run(r, begin, end);
      merge_run<Element>(row_of<Element>(cell, r, begin), end - begin, both_ends, &ranges[block]);
    });
  }
}

HALFWORD_INLINE BlockRangesLoop select_block_ranges(Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat32: return block_ranges<Float32>;
    case Dtype::kBFloat16: return block_ranges<BFloat16>;
    case Dtype::kFloat16: return block_ranges<Float16>;
  }
  return nullptr;
}

}  // namespace
}  // namespace halfword
