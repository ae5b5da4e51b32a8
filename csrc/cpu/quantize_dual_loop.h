// The loops of both quantizations, written once for every instruction set.
// Include after one of the simd_*.h headers.
#pragma once

#include "cpu/absmax_loop.h"
#include "cpu/magnitudes.h"
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

template <int kCount>
struct RowCount {
  static constexpr int kRows = kCount;
};

// kRows rows together: a column's range is loaded and stored once for all of them. Vectors may be
// read and written past the last column, where they change nothing.
template <class Element, int kRows>
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
    F32 low = load_floats(of_columns.low + c), high = load_floats(of_columns.high + c);
#pragma GCC unroll 4
    for (int k = 0; k < kRows; ++k) {
      const F32 v = load(first + k * pitch + c);
      const U32 word = bits(v) & U32(kFloat32Magnitude);
      row_largest[k] = maximum(row_largest[k], word);
      row_low[k] = minimum(v, row_low[k]), row_high[k] = maximum(v, row_high[k]);
      largest = maximum(largest, word);
      low = minimum(v, low), high = maximum(v, high);
    }
    store_words(of_columns.largest + c, largest);
    store_floats(of_columns.low + c, low), store_floats(of_columns.high + c, high);
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
    float lows[kLanes], highs[kLanes];
    store_floats(lows, row_low[k]);
    store_floats(highs, row_high[k]);
    for (int i = 0; i < kLanes; ++i) fold_scalar(of_rows, block, 0, lows[i], highs[i]);
  }
}

// Fewer than a vector, and zeros.
template <class Word>
HALFWORD_INLINE Magnitudes<Word> load_magnitudes(const Word* p, int64_t count) {
  alignas(64) Word padded[Magnitudes<Word>::kCount] = {};
  __builtin_memcpy(padded, p, static_cast<size_t>(count) * sizeof(Word));
  return Magnitudes<Word>::load(padded);
}

template <class Element, class Word>
HALFWORD_INLINE uint32_t largest_of(const Magnitudes<Word>& v) {
  U32 largest(0u);
#pragma GCC unroll 2
  for (int part = 0; part < v.kParts; ++part) {
    largest = maximum(largest, bits(Element::from_words(v.part(part))));
  }
  return largest_lane(largest);
}

// The largest magnitude of all rows.
template <class Element>
HALFWORD_INLINE uint32_t largest_of_rows(const void* x, int64_t pitch, int64_t rows, int64_t cols) {
  using Word = typename Element::Word;
  using Vector = Magnitudes<Word>;
  constexpr int kVectors = 4;
  Vector largest[kVectors];
#pragma GCC unroll 4
  for (int k = 0; k < kVectors; ++k) largest[k] = Vector::zeros();
  for (int64_t r = 0; r < rows; ++r) {
    const Word* row = static_cast<const Word*>(x) + r * pitch;
    int64_t c = 0;
    for (; c + kVectors * Vector::kCount <= cols; c += kVectors * Vector::kCount) {
#pragma GCC unroll 4
      for (int k = 0; k < kVectors; ++k) {
        largest[k] = maximum(largest[k], Vector::load(row + c + k * Vector::kCount));
      }
    }
    for (; c + Vector::kCount <= cols; c += Vector::kCount) {
      largest[0] = maximum(largest[0], Vector::load(row + c));
    }
    if (c < cols) largest[0] = maximum(largest[0], load_magnitudes(row + c, cols - c));
  }
  const Vector upper = maximum(largest[0], largest[1]), lower = maximum(largest[2], largest[3]);
  return largest_of<Element>(maximum(upper, lower));
}

// The same without low and high: magnitudes are compared in the words that lie in memory.
template <class Element, int kRows>
HALFWORD_INLINE void scan_magnitudes(const void* x, int64_t first, int64_t pitch, int64_t cols,
                                     const RangeArrays& of_rows, int64_t row, int64_t row_step,
                                     const RangeArrays& of_columns) {
  using Word = typename Element::Word;
  using Vector = Magnitudes<Word>;
  const Word* words = static_cast<const Word*>(x) + first;
  Vector of_row[kRows];
#pragma GCC unroll 4
  for (int k = 0; k < kRows; ++k) of_row[k] = Vector::zeros();
  const auto fold_columns = [&](int64_t c, int64_t count, const auto& load) {
    Vector of_column = Vector::zeros();
#pragma GCC unroll 4
    for (int k = 0; k < kRows; ++k) {
      const Vector v = load(words + k * pitch + c);
      of_row[k] = maximum(of_row[k], v);
      of_column = maximum(of_column, v);
    }
#pragma GCC unroll 2
    for (int part = 0; part < Vector::kParts; ++part) {
      if (part * kLanes >= count) continue;
      uint32_t* largest = of_columns.largest + c + part * kLanes;
      const U32 magnitudes = bits(Element::from_words(of_column.part(part)));
      store_words(largest, maximum(load_words(largest), magnitudes));
    }
  };
  int64_t c = 0;
  for (; c + Vector::kCount <= cols; c += Vector::kCount) {
    fold_columns(c, Vector::kCount, [](const Word* p) { return Vector::load(p); });
  }
  if (c < cols) {
    fold_columns(c, cols - c, [&](const Word* p) { return load_magnitudes(p, cols - c); });
  }
#pragma GCC unroll 4
  for (int k = 0; k < kRows; ++k) {
    fold_scalar(of_rows, (row + k) * row_step, largest_of<Element>(of_row[k]), 0.0f, 0.0f);
  }
}

template <class Element, bool kAffine>
void scan(const void* x, int64_t pitch, int64_t rows, int64_t cols, RangeArrays of_rows,
          int64_t row_step, RangeArrays of_columns) {
  int64_t r = 0;
  if (of_columns.largest == nullptr) {
    if (!kAffine && row_step == 0) {
      return fold_scalar(of_rows, 0, largest_of_rows<Element>(x, pitch, rows, cols), 0.0f, 0.0f);
    }
    for (; r < rows; ++r) {
      BlockRange range;
      merge_run<Element>(matrix_row<Element>(x, pitch, r), cols, kAffine, &range);
      fold_scalar(of_rows, r * row_step, range.largest, range.low, range.high);
    }
    return;
  }
  const auto scan_some = [&](auto count) {
    constexpr int kRows = decltype(count)::kRows;
    for (; r + kRows <= rows; r += kRows) {
      if constexpr (kAffine) {
        scan_rows<Element, kRows>(x, r * pitch, pitch, cols, of_rows, r, row_step, of_columns);
      } else {
        scan_magnitudes<Element, kRows>(x, r * pitch, pitch, cols, of_rows, r, row_step,
                                        of_columns);
      }
    }
  };
  scan_some(RowCount<4>());
  scan_some(RowCount<1>());
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

// The scales of a part. Those of columns are put in the order of four vectors once for all rows.
template <bool kAffine, bool kTurns>
struct VectorScales {
  HALFWORD_INLINE VectorScales(const PartScales& scales, int64_t cols) : p(scales) {
    if (!p.each) return;
    for (int64_t i = 0; i + kFour <= cols; i += kFour) {
      store_four(ordered_invs + i, load_four_floats<kTurns>(p.inv + i));
      if (kAffine) store_four(ordered_zero_points + i, load_four_floats<kTurns>(p.zero_point + i));
    }
  }
  HALFWORD_INLINE void next_row() {
    p.inv += p.row_step;
    if (kAffine) p.zero_point += p.row_step;
  }
  HALFWORD_INLINE F32 inv(int64_t i) const { return p.each ? load_floats(p.inv + i) : F32(*p.inv); }
  HALFWORD_INLINE F32 zero_point(int64_t i) const {
    if (!kAffine) return F32(0.0f);
    return p.each ? load_floats(p.zero_point + i) : F32(*p.zero_point);
  }
  template <bool>  // they are in order
  HALFWORD_INLINE FourFloats four_invs(int64_t i) const {
    return p.each ? load_four_floats<false>(ordered_invs + i) : all_four(*p.inv);
  }
  template <bool>
  HALFWORD_INLINE FourFloats four_zero_points(int64_t i) const {
    if (!kAffine) return all_four(0.0f);
    return p.each ? load_four_floats<false>(ordered_zero_points + i) : all_four(*p.zero_point);
  }

  PartScales p;
  alignas(64) float ordered_invs[kPartCols];
  alignas(64) float ordered_zero_points[kAffine ? kPartCols : 1];
};

// The lines of four vectors from element i on, to the second cache.
template <class Word>
HALFWORD_INLINE void prefetch(const void* x, int64_t i) {
  if (kLanes == 1) return;
  const char* first = reinterpret_cast<const char*>(static_cast<const Word*>(x) + i);
  constexpr int64_t kBytes = kFour * static_cast<int64_t>(sizeof(Word));
#pragma GCC unroll 4
  for (int64_t b = 0; b < kBytes; b += 64) __builtin_prefetch(first + b, 0, 2);
}

// kTwo: the staged codes are quantized by scales of their own; else they are the same.
template <class Element, class Rounding, bool kTwo, class Scales>
HALFWORD_INLINE void encode_row(const DualPart& part, int64_t r, const Scales& scales,
                                const Scales& staged_scales, CodeRange range) {
  constexpr bool kTurns = Element::kTurns;
  const void* x = matrix_row<Element>(part.x, part.pitch, r);
  const void* next = matrix_row<Element>(part.next, part.pitch, r);
  int8_t* codes = part.codes + r * part.codes_pitch;
  int8_t* staged = part.staged + r * kStagedPitch;
  int64_t i = 0;
  for (; i + kFour <= part.cols; i += kFour) {
    const FourFloats four = load_four<Element>(x, i);
    const FourWords words = four_code_words<Rounding, kTurns>(four, i, scales, range, part.random);
    prefetch<typename Element::Word>(next, i);
    part.streams ? stream_codes<kTurns>(codes + i, words) : store_codes<kTurns>(codes + i, words);
    store_codes<kTurns>(staged + i, kTwo ? four_code_words<Rounding, kTurns>(
                                               four, i, staged_scales, range, part.staged_random)
                                         : words);
  }
  const auto encode_vector = [&](F32 v, int8_t* to) {
    const U32 words = code_words_at<Rounding>(v, i, scales, range, part.random);
    store_bytes(to, words);
    store_bytes(
        staged + i,
        kTwo ? code_words_at<Rounding>(v, i, staged_scales, range, part.staged_random) : words);
  };
  for (; i + kLanes <= part.cols; i += kLanes) encode_vector(Element::load(x, i), codes + i);
  if (i == part.cols) return;
  int8_t last[kLanes];
  encode_vector(load_some<Element>(x, i, part.cols - i), last);
  for (int64_t l = 0; i + l < part.cols; ++l) codes[i + l] = last[l];
}

template <class Element, class Rounding, bool kAffine, bool kTwo>
void encode(const DualPart& part, CodeRange range) {
  using Scales = VectorScales<kAffine, Element::kTurns>;
  Scales scales(part.scales, part.cols);
  if constexpr (kTwo) {
    Scales staged_scales(part.staged_scales, part.cols);
    for (int64_t r = 0; r < part.rows; ++r) {
      encode_row<Element, Rounding, true>(part, r, scales, staged_scales, range);
      scales.next_row();
      staged_scales.next_row();
    }
  } else {
    for (int64_t r = 0; r < part.rows; ++r) {
      encode_row<Element, Rounding, false>(part, r, scales, scales, range);
      scales.next_row();
    }
  }
}

void transpose(const int8_t* in, int8_t* out, int64_t pitch, bool streams) {
  if (streams) return stream_transposed_bytes(in, kStagedPitch, out, pitch);
  transpose_bytes(in, kStagedPitch, out, pitch);
}

void finish() { finish_streaming(); }

// A vector of calls begins at a multiple of its length (see fill_random).
const uint16_t* random(const RandomStream& stream, int64_t first, int64_t count, uint16_t* memory) {
  const int64_t before = first % kRandomAlign;
  fill_random(stream, first - before, before + count, memory);
  return memory + before;
}

template <class Element, class Rounding, bool kAffine>
HALFWORD_INLINE void select_encode(const QuantizeDualParams& p, QuantizeDualLoops* loops) {
  loops->encode = loops->encode_finite = is_exact_copy(p)
                                             ? encode<Element, Rounding, kAffine, false>
                                             : encode<Element, Rounding, kAffine, true>;
}

template <class Element>
HALFWORD_INLINE void select_loops(const QuantizeDualParams& p, QuantizeDualLoops* loops) {
  loops->scan = p.mapping == Mapping::kAffine ? scan<Element, true> : scan<Element, false>;
  const bool nearest = p.seed == nullptr;
  switch (p.mapping) {
    case Mapping::kSymmetric:
      if (!nearest) return select_encode<Element, Stochastic, false>(p, loops);
      select_encode<Element, Nearest, false>(p, loops);
      loops->encode_finite = is_exact_copy(p) ? encode<Element, NearestInRange, false, false>
                                              : encode<Element, NearestInRange, false, true>;
      return;
    case Mapping::kAffine:
      if (!nearest) return select_encode<Element, Stochastic, true>(p, loops);
      return select_encode<Element, Nearest, true>(p, loops);
    case Mapping::kLog2: return select_encode<Element, Log2, false>(p, loops);
  }
}

HALFWORD_INLINE QuantizeDualLoops select_quantize_dual_loops(const QuantizeDualParams& p) {
  QuantizeDualLoops loops{};
  loops.fold = fold;
  loops.transpose = transpose;
  loops.finish_streaming = finish;
  loops.random = random;
  switch (p.dtype) {
    case Dtype::kFloat32: select_loops<Float32>(p, &loops); break;
    case Dtype::kBFloat16: select_loops<BFloat16>(p, &loops); break;
    case Dtype::kFloat16: select_loops<Float16>(p, &loops); break;
  }
  return loops;
}

}  // namespace
}  // namespace halfword
