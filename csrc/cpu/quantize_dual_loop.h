// The loops of both quantizations, written once for every instruction set.
// Include after one of the simd_*.h headers.
#pragma once

#include "cpu/quantize_dual_run.h"
#include "cpu/quantize_loop.h"
#include "cpu/transpose_bytes.h"

namespace halfword {
namespace {

HALFWORD_INLINE void fold_scalar(RangeArrays to, int64_t i, uint32_t largest, float low,
                                 float high) {
  if (largest > to.largest[i]) to.largest[i] = largest;
  if (to.low == nullptr) return;
  if (low < to.low[i]) to.low[i] = low;
  if (high > to.high[i]) to.high[i] = high;
}

// kRows rows together: a column's range is loaded and stored once for all of them. Vectors may be
// read and written past the last column, where they change nothing.
template <class Element, bool kAffine, int kRows>
HALFWORD_INLINE void scan_rows(const void* x, int64_t first, int64_t pitch, int64_t cols,
                               const RangeArrays& of_rows, int64_t row, int64_t row_step,
                               const RangeArrays& of_columns) {
  U32 row_largest[kRows];
  F32 row_low[kRows], row_high[kRows];
#pragma GCC unroll 4
  for (int k = 0; k < kRows; ++k) {
    row_largest[k] = U32(0u);
    row_low[k] = row_high[k] = F32(0.0f);
  }
  const auto fold_columns = [&](int64_t c, const auto& load) {
    U32 largest = load_words(of_columns.largest + c);
    F32 low(0.0f), high(0.0f);
    if (kAffine) low = load_floats(of_columns.low + c), high = load_floats(of_columns.high + c);
#pragma GCC unroll 4
    for (int k = 0; k < kRows; ++k) {
      const F32 v = load(first + k * pitch + c);
      const U32 word = bits(v) & U32(kFloat32Magnitude);
      row_largest[k] = maximum(row_largest[k], word);
      largest = maximum(largest, word);
      if (kAffine) {
        row_low[k] = minimum(v, row_low[k]), row_high[k] = maximum(v, row_high[k]);
        low = minimum(v, low), high = maximum(v, high);
      }
    }
    store_words(of_columns.largest + c, largest);
    if (kAffine) store_floats(of_columns.low + c, low), store_floats(of_columns.high + c, high);
  };
  int64_t c = 0;
  for (; c + kLanes <= cols; c += kLanes) {
    fold_columns(c, [&](int64_t i) { return Element::load(x, i); });
  }
  if (c < cols) fold_columns(c, [&](int64_t i) { return load_some<Element>(x, i, cols - c); });
#pragma GCC unroll 4
  for (int k = 0; k < kRows; ++k) {
    const int64_t block = (row + k) * row_step;
    fold_scalar(of_rows, block, largest_lane(row_largest[k]), 0.0f, 0.0f);
    if (!kAffine) continue;
    float lows[kLanes], highs[kLanes];
    store_floats(lows, row_low[k]);
    store_floats(highs, row_high[k]);
    for (int i = 0; i < kLanes; ++i) fold_scalar(of_rows, block, 0, lows[i], highs[i]);
  }
}

template <class Element, bool kAffine>
void scan(const void* x, int64_t pitch, int64_t rows, int64_t cols, RangeArrays of_rows,
          int64_t row_step, RangeArrays of_columns) {
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    scan_rows<Element, kAffine, 4>(x, r * pitch, pitch, cols, of_rows, r, row_step, of_columns);
  }
  for (; r < rows; ++r) {
    scan_rows<Element, kAffine, 1>(x, r * pitch, pitch, cols, of_rows, r, row_step, of_columns);
  }
}

void fold(RangeArrays to, RangeArrays from, int64_t count) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    store_words(to.largest + i, maximum(load_words(to.largest + i), load_words(from.largest + i)));
    if (to.low == nullptr) continue;
    store_floats(to.low + i, minimum(load_floats(from.low + i), load_floats(to.low + i)));
    store_floats(to.high + i, maximum(load_floats(from.high + i), load_floats(to.high + i)));
  }
  for (; i < count; ++i) {
    fold_scalar(to, i, from.largest[i], from.low ? from.low[i] : 0.0f,
                from.high ? from.high[i] : 0.0f);
  }
}

template <bool kAffine>
struct VectorScales {
  HALFWORD_INLINE explicit VectorScales(const PartScales& scales)
      : p(scales), one_inv(*scales.inv), one_zero_point(kAffine ? *scales.zero_point : 0.0f) {}
  HALFWORD_INLINE F32 inv(int64_t i) const { return p.each ? load_floats(p.inv + i) : one_inv; }
  HALFWORD_INLINE F32 zero_point(int64_t i) const {
    return kAffine && p.each ? load_floats(p.zero_point + i) : one_zero_point;
  }

  PartScales p;
  F32 one_inv;
  F32 one_zero_point;
};

// kTwo: the staged codes are quantized by scales of their own; else they are the same.
template <class Element, class Rounding, bool kAffine, bool kTwo>
void encode(const DualPart& part, CodeRange range) {
  const VectorScales<kAffine> scales(part.scales);
  const VectorScales<kAffine> staged_scales(kTwo ? part.staged_scales : part.scales);
  const auto encode_vector = [&](F32 x, int64_t i, int8_t* codes) {
    const U32 code = code_words<Element, Rounding>(x, i, scales, range, part.random);
    store_bytes(codes, code);
    const U32 other =
        kTwo ? code_words<Element, Rounding>(x, i, staged_scales, range, part.staged_random) : code;
    store_bytes(part.staged + i, other);
  };
  int64_t i = 0;
  for (; i + kLanes <= part.count; i += kLanes) {
    encode_vector(Element::load(part.x, i), i, part.codes + i);
  }
  if (i == part.count) return;
  int8_t last[kLanes];
  encode_vector(load_some<Element>(part.x, i, part.count - i), i, last);
  for (int64_t l = 0; i + l < part.count; ++l) part.codes[i + l] = last[l];
}

void transpose(const int8_t* in, int8_t* out, int64_t pitch) {
  transpose_bytes(in, kStagedPitch, out, pitch);
}

// A vector of calls begins at a multiple of its length (see fill_random).
const uint16_t* random(const RandomStream& stream, int64_t first, int64_t count, uint16_t* memory) {
  const int64_t before = first % kRandomAlign;
  fill_random(stream, first - before, before + count, memory);
  return memory + before;
}

template <class Element>
HALFWORD_INLINE void select_encode(const QuantizeDualParams& p, QuantizeDualLoops* loops) {
  const auto select = [&](auto one, auto two) { return is_exact_copy(p) ? one : two; };
  loops->scan = scan<Element, false>;
  switch (p.mapping) {
    case Mapping::kSymmetric:
      loops->encode = p.seed == nullptr ? select(encode<Element, Nearest, false, false>,
                                                 encode<Element, Nearest, false, true>)
                                        : select(encode<Element, Stochastic, false, false>,
                                                 encode<Element, Stochastic, false, true>);
      break;
    case Mapping::kAffine:
      loops->scan = scan<Element, true>;
      loops->encode = p.seed == nullptr ? select(encode<Element, Nearest, true, false>,
                                                 encode<Element, Nearest, true, true>)
                                        : select(encode<Element, Stochastic, true, false>,
                                                 encode<Element, Stochastic, true, true>);
      break;
    case Mapping::kLog2:
      loops->encode =
          select(encode<Element, Log2, false, false>, encode<Element, Log2, false, true>);
      break;
  }
}

HALFWORD_INLINE QuantizeDualLoops select_quantize_dual_loops(const QuantizeDualParams& p) {
  QuantizeDualLoops loops{};
  loops.fold = fold;
  loops.transpose = transpose;
  loops.random = random;
  switch (p.dtype) {
    case Dtype::kFloat32: select_encode<Float32>(p, &loops); break;
    case Dtype::kBFloat16: select_encode<BFloat16>(p, &loops); break;
    case Dtype::kFloat16: select_encode<Float16>(p, &loops); break;
  }
  return loops;
}

}  // namespace
}  // namespace halfword
