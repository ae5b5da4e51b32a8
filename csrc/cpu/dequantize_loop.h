// The dequantizing loop, written once for every instruction set and type.
// Include after one of the simd_*.h headers.
#pragma once

#include "cpu/dequantize_run.h"
#include "cpu/elements.h"

namespace halfword {
namespace {

// Blocks of fewer columns take their scales a vector at a time.
constexpr int64_t kNarrowBlock = 32;

struct ColumnValues {
  F32 scale;
  F32 zero_point;
};

// Of columns [begin, begin + count), at most a vector: of block i / block_cols.
HALFWORD_INLINE ColumnValues column_values(const DequantizeRow& row, int64_t begin, int64_t count) {
  if (row.block_cols == 1 && count == kLanes) {
    const auto* zero_point = reinterpret_cast<const uint32_t*>(row.zero_point);
    return {load_floats(row.scale + begin),
            zero_point == nullptr ? F32(0.0f) : from_integer(load_words(zero_point + begin))};
  }
  alignas(64) float scale[kLanes] = {}, zero_point[kLanes] = {};
  int64_t block = begin / row.block_cols;
  int64_t left = row.block_cols - begin % row.block_cols;
  for (int64_t l = 0; l < count; ++l, --left) {
    if (left == 0) {
      ++block;
      left = row.block_cols;
    }
    scale[l] = row.scale[block];
    zero_point[l] = row.zero_point == nullptr ? 0.0f : static_cast<float>(row.zero_point[block]);
  }
  return {load_floats(scale), load_floats(zero_point)};
}

HALFWORD_INLINE ColumnValues block_values(const DequantizeRow& row, int64_t block) {
  return {F32(row.scale[block]),
          F32(row.zero_point == nullptr ? 0.0f : static_cast<float>(row.zero_point[block]))};
}

template <class Element, bool kLog2>
HALFWORD_INLINE void dequantize_run(const DequantizeRow& row, int64_t begin, int64_t end,
                                    ColumnValues of) {
  const auto value = [&](U32 code) {
    const F32 c = from_integer(code);
    return kLog2 ? log2_value(c, of.scale, row.range) : linear_value(c, of.scale, of.zero_point);
  };
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) {
    Element::store(row.out, i, value(load_bytes(row.codes + i)));
  }
  if (i == end) return;
  using Word = typename Element::Word;
  int8_t codes[kLanes] = {};
  alignas(64) char values[kLanes * sizeof(Word)];
  __builtin_memcpy(codes, row.codes + i, static_cast<size_t>(end - i));
  Element::store(values, 0, value(load_bytes(codes)));
  __builtin_memcpy(static_cast<Word*>(row.out) + i, values,
                   static_cast<size_t>(end - i) * sizeof(Word));
}

template <class Element, bool kLog2>
HALFWORD_INLINE void dequantize_row(const DequantizeRow& row) {
  const bool narrow = row.block_cols < kNarrowBlock;
  for (int64_t c = row.begin; c < row.end;) {
    const int64_t length = narrow ? kLanes : row.block_cols - c % row.block_cols;
    const int64_t end = length < row.end - c ? c + length : row.end;
    dequantize_run<Element, kLog2>(
        row, c, end,
        narrow ? column_values(row, c, end - c) : block_values(row, c / row.block_cols));
    c = end;
  }
}

template <class Element>
void dequantize_loop(const DequantizeRow& row) {
  if (row.log2) return dequantize_row<Element, true>(row);
  dequantize_row<Element, false>(row);
}

HALFWORD_INLINE DequantizeLoop select_dequantize_loop(Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat32: return dequantize_loop<Float32>;
    case Dtype::kBFloat16: return dequantize_loop<BFloat16>;
    case Dtype::kFloat16: return dequantize_loop<Float16>;
  }
  return nullptr;
}

}  // namespace
}  // namespace halfword
