// The quantizing loops, written once for every instruction set and type.
// Include after one of the simd_*.h headers.
#pragma once

#include "cpu/block_walk.h"
#include "cpu/code_bytes.h"
#include "cpu/quantize_run.h"
#include "cpu/random_bits.h"

namespace halfword {
namespace {

// What the elements of a row's part are quantized with: one scale, or one a column.
struct OneScale {
  BlockScale block;
  HALFWORD_INLINE F32 scale(int64_t) const { return F32(block.scale); }
  HALFWORD_INLINE F32 inv(int64_t) const { return F32(block.inv); }
  HALFWORD_INLINE F32 zero_point(int64_t) const { return F32(block.zero_point); }
  template <bool kTurns>
  HALFWORD_INLINE FourFloats four_invs(int64_t) const {
    return all_four(block.inv);
  }
  template <bool kTurns>
  HALFWORD_INLINE FourFloats four_zero_points(int64_t) const {
    return all_four(block.zero_point);
  }
};
struct ColumnScales {
  const float* scales;  // for values only
  const float* invs;
  const float* zero_points;
  HALFWORD_INLINE F32 scale(int64_t i) const { return load_floats(scales + i); }
  HALFWORD_INLINE F32 inv(int64_t i) const { return load_floats(invs + i); }
  HALFWORD_INLINE F32 zero_point(int64_t i) const { return load_floats(zero_points + i); }
  template <bool kTurns>
  HALFWORD_INLINE FourFloats four_invs(int64_t i) const {
    return load_four_floats<kTurns>(invs + i);
  }
  template <bool kTurns>
  HALFWORD_INLINE FourFloats four_zero_points(int64_t i) const {
    return load_four_floats<kTurns>(zero_points + i);
  }
};

// Ways to a number whose nearest integer, with the zero point added, is the code of x. The first is
// for a scale that was computed from x and is no NaN: no code is out of range then.
struct NearestInRange {
  static constexpr bool kTrusts = true;  // scales
  static constexpr bool kRandom = false;
  static constexpr bool kZeroPoint = false;  // it is 0
  HALFWORD_INLINE static F32 number(F32 x, F32 inv, F32, CodeRange, U32) { return x * inv; }
};
struct Nearest {
  static constexpr bool kTrusts = false;  // scales
  static constexpr bool kRandom = false;
  static constexpr bool kZeroPoint = true;
  HALFWORD_INLINE static F32 number(F32 x, F32 inv, F32 zero_point, CodeRange codes, U32) {
    return clamp_to_codes(x * inv, zero_point, codes);
  }
};
struct Stochastic {
  static constexpr bool kTrusts = false;  // scales
  static constexpr bool kRandom = true;
  static constexpr bool kZeroPoint = true;
  HALFWORD_INLINE static F32 number(F32 x, F32 inv, F32 zero_point, CodeRange codes, U32 random) {
    return round_stochastic(clamp_to_codes(x * inv, zero_point, codes), random);
  }
};
struct Log2 {
  static constexpr bool kTrusts = false;  // scales
  static constexpr bool kRandom = false;
  static constexpr bool kZeroPoint = false;
  HALFWORD_INLINE static F32 number(F32 x, F32 inv, F32, CodeRange codes, U32) {
    return log2_code(x, inv, codes);
  }
};

// The random bits of a vector of elements, where the rounding wants them.
template <class Rounding>
HALFWORD_INLINE U32 random_of(const uint16_t* random, int64_t i) {
  return Rounding::kRandom ? widen(load_halves(random + i)) : U32(0u);
}

// The low half of each word is a code; with what is above it the word is kFirstIntegers and that.
template <class Rounding>
HALFWORD_INLINE U32 code_words(F32 x, F32 inv, F32 zero_point, CodeRange range, U32 random) {
  const F32 number = Rounding::number(x, inv, zero_point, range, random);
  const U32 words = bits(number + F32(kFirstIntegers));
  return Rounding::kZeroPoint ? words + to_integer(zero_point) : words;
}

// Of the vector at element i.
template <class Rounding, class Scales>
HALFWORD_INLINE U32 code_words_at(F32 x, int64_t i, const Scales& scales, CodeRange range,
                                  const uint16_t* random) {
  return code_words<Rounding>(x, scales.inv(i), scales.zero_point(i), range,
                              random_of<Rounding>(random, i));
}

// Of four vectors there.
template <class Rounding, bool kTurns, class Scales>
HALFWORD_INLINE FourWords four_code_words(const FourFloats& x, int64_t i, const Scales& scales,
                                          CodeRange range, const uint16_t* random) {
  const FourFloats inv = scales.template four_invs<kTurns>(i);
  const FourFloats zero_point = scales.template four_zero_points<kTurns>(i);
  FourWords bits{};
  if (Rounding::kRandom) bits = load_four_halves<kTurns>(random + i);
  FourWords codes;
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    codes.v[k] = code_words<Rounding>(x.v[k], inv.v[k], zero_point.v[k], range, bits.v[k]);
  }
  return codes;
}

// The sum of a row's codes, modulo 2^32.
struct RowSum {
  U32 lanes = U32(0u);  // of words
  uint32_t rest = 0;

  HALFWORD_INLINE uint32_t total() const { return sum_of_lanes(lanes) + rest; }
};

// The codes of `count` consecutive elements, and their sum unless that is null. What lies behind
// element `count` of scales and random is read and not used. streams: past the caches, if codes are
// aligned.
template <class Element, class Rounding, class Scales>
HALFWORD_INLINE void quantize_run(const void* x, int64_t count, const Scales& scales,
                                  CodeRange range, const uint16_t* random, int8_t* codes,
                                  RowSum* sum, bool streams = false) {
  const bool past_caches = streams && reinterpret_cast<uintptr_t>(codes) % kFour == 0;
  U32 lanes(0u);
  int64_t i = 0;
  for (; i + kFour <= count; i += kFour) {
    const FourWords words = four_code_words<Rounding, Element::kTurns>(load_four<Element>(x, i), i,
                                                                       scales, range, random);
    past_caches ? stream_codes<Element::kTurns>(codes + i, words)
                : store_codes<Element::kTurns>(codes + i, words);
    if (sum == nullptr) continue;
    lanes = lanes + ((words.v[0] + words.v[1]) + (words.v[2] + words.v[3]));
  }
  for (; i + kLanes <= count; i += kLanes) {
    const U32 words = code_words_at<Rounding>(Element::load(x, i), i, scales, range, random);
    store_bytes(codes + i, words);
    lanes = lanes + words;
  }
  uint32_t rest = 0 - static_cast<uint32_t>(i) * float_word(kFirstIntegers);
  if (i < count) {
    const F32 x_rest = load_some<Element>(x, i, count - i);
    int8_t last[kLanes];
    store_bytes(last, code_words_at<Rounding>(x_rest, i, scales, range, random));
    for (int64_t l = 0; i + l < count; ++l) {
      codes[i + l] = last[l];
      rest += static_cast<uint32_t>(static_cast<int32_t>(last[l]));
    }
  }
  if (sum == nullptr) return;
  sum->lanes = sum->lanes + lanes;
  sum->rest += rest;
}

// What is made of elements; the other is values (cpu/fake_quantize_loop.h). Stored from element
// number `place` on.
struct CodeSink {
  static constexpr bool kCodes = true;
  template <class Element, class Rounding, class Scales>
  HALFWORD_INLINE static void run(const void* x, int64_t count, const Scales& scales,
                                  CodeRange range, const uint16_t* random, const QuantizeOut& out,
                                  int64_t place, RowSum* sum) {
    quantize_run<Element, Rounding>(x, count, scales, range, random, out.codes + place, sum,
                                    out.streams);
  }
};

// The random bits of up to kColumnsAtOnce consecutive elements.
struct RandomRun {
  static constexpr int64_t kCalls = kElementsPerPhilox * 8;  // of the widest vector of calls
  alignas(64) uint16_t bits[kColumnsAtOnce + 2 * kCalls + 16];

  // A vector of calls begins at a multiple of its length (see fill_random).
  HALFWORD_INLINE const uint16_t* fill(const RandomStream& stream, int64_t element, int64_t count) {
    const int64_t before = element % kCalls;
    fill_random(stream, element - before, before + count, bits);
    return bits + before;
  }
};

template <class Element, class Rounding, class Sink>
struct CellQuantizer {
  const BlockCell& cell;
  const BlockScale* scales;
  const QuantizeRule& rule;
  const QuantizeOut& out;
  RandomRun random_run;  // left as it is: most have no use for it

  HALFWORD_INLINE CellQuantizer(const BlockCell& c, const BlockScale* s, const QuantizeRule& r,
                                const QuantizeOut& o)
      : cell(c), scales(s), rule(r), out(o) {}

  HALFWORD_INLINE const uint16_t* random(int64_t row, int64_t begin, int64_t end) {
    if (rule.random == nullptr) return nullptr;
    return random_run.fill(*rule.random, place(row, begin), end - begin);
  }
  HALFWORD_INLINE int64_t place(int64_t row, int64_t col) const {
    return (cell.row + row) * out.cols + cell.col + col;
  }
  HALFWORD_INLINE bool wants_sums() const { return out.row_sums != nullptr; }
  // Cells beside one another may be of several threads.
  HALFWORD_INLINE void add_to_row_sum(int64_t row, const RowSum& sum) const {
    if (!wants_sums()) return;
    __atomic_fetch_add(&out.row_sums[cell.row + row], static_cast<int32_t>(sum.total()),
                       __ATOMIC_RELAXED);
  }

  // Columns [begin, end) of all rows, with vectors of scales.
  HALFWORD_INLINE void narrow_blocks(int64_t begin, int64_t end) {
    alignas(64) float scale[kColumnsAtOnce], inv[kColumnsAtOnce], zero_point[kColumnsAtOnce];
    const int64_t last = (end - begin) / kLanes * kLanes;  // where a part of a vector may be left
    if (last < end - begin) {
      if (!Sink::kCodes) store_floats(scale + last, F32(0.0f));
      store_floats(inv + last, F32(0.0f));
      store_floats(zero_point + last, F32(0.0f));
    }
    bool known = true;  // all scales
    for_each_block(cell, begin, end, [&](int64_t block, int64_t first, int64_t stop) {
      known = known && scales[block].scale == scales[block].scale;
      for (int64_t c = first - begin; c < stop - begin; ++c) {
        if (!Sink::kCodes) scale[c] = scales[block].scale;
        inv[c] = scales[block].inv;
        zero_point[c] = scales[block].zero_point;
      }
    });
    const ColumnScales columns{scale, inv, zero_point};
    if (Rounding::kTrusts && !known) {
      narrow_rows<Nearest>(begin, end, columns);
    } else {
      narrow_rows<Rounding>(begin, end, columns);
    }
  }

  template <class Way>
  HALFWORD_INLINE void narrow_rows(int64_t begin, int64_t end, const ColumnScales& columns) {
    const RowPrefetch<Element> prefetch(cell, end - begin);
    for (int64_t r = 0; r < cell.rows; ++r) {
      RowSum sum;
      prefetch.run(r, begin, end);
      Sink::template run<Element, Way>(row_of<Element>(cell, r, begin), end - begin, columns,
                                       rule.range, random(r, begin, end), out, place(r, begin),
                                       wants_sums() ? &sum : nullptr);
      add_to_row_sum(r, sum);
    }
  }

  // Columns [begin, end) of one row, a block after the other.
  HALFWORD_INLINE void wide_blocks(int64_t row, int64_t begin, int64_t end, RowSum* sum) {
    const uint16_t* bits = random(row, begin, end);
    for_each_block(cell, begin, end, [&](int64_t block, int64_t first, int64_t stop) {
      const BlockScale scale = scales[block];
      if (Sink::kCodes && scale.scale != scale.scale && rule.computed) {
        for (int64_t c = first; c < stop; ++c) out.codes[place(row, c)] = 0;
        return;
      }
      Sink::template run<Element, Rounding>(
          row_of<Element>(cell, row, first), stop - first, OneScale{scale}, rule.range,
          bits == nullptr ? nullptr : bits + (first - begin), out, place(row, first), sum);
    });
  }
};

template <class Element, class Rounding, class Sink>
void quantize_cell(const BlockCell& cell, const BlockScale* scales, const QuantizeRule& rule,
                   const QuantizeOut& out) {
  CellQuantizer<Element, Rounding, Sink> q(cell, scales, rule, out);
  const bool narrow = cell.blocks_are_narrow();
  const int64_t step = narrow || rule.random != nullptr ? kColumnsAtOnce : cell.cols;
  const auto end_of = [&](int64_t c) { return c + step < cell.cols ? c + step : cell.cols; };
  if (narrow) {
    for (int64_t c = 0; c < cell.cols; c += step) q.narrow_blocks(c, end_of(c));
    return;
  }
  for (int64_t r = 0; r < cell.rows; ++r) {
    RowSum sum;
    for (int64_t c = 0; c < cell.cols; c += step) {
      q.wide_blocks(r, c, end_of(c), q.wants_sums() ? &sum : nullptr);
    }
    q.add_to_row_sum(r, sum);
  }
}

template <class Element, class Sink>
void quantize_loop(const BlockCell& cell, const BlockScale* scales, const QuantizeRule& rule,
                   const QuantizeOut& out) {
  if (rule.mapping == Mapping::kLog2) {
    return quantize_cell<Element, Log2, Sink>(cell, scales, rule, out);
  }
  if (rule.random != nullptr) {
    return quantize_cell<Element, Stochastic, Sink>(cell, scales, rule, out);
  }
  if (rule.computed && rule.mapping == Mapping::kSymmetric) {
    return quantize_cell<Element, NearestInRange, Sink>(cell, scales, rule, out);
  }
  quantize_cell<Element, Nearest, Sink>(cell, scales, rule, out);
}

template <class Sink = CodeSink>
HALFWORD_INLINE QuantizeLoop select_quantize_loop(Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat32: return quantize_loop<Float32, Sink>;
    case Dtype::kBFloat16: return quantize_loop<BFloat16, Sink>;
    case Dtype::kFloat16: return quantize_loop<Float16, Sink>;
  }
  return nullptr;
}

}  // namespace
}  // namespace halfword
