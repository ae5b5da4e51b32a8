// The rows of a as the kernels of a product read them: packed in strips, and real ones quantized on
// their way there.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/row_codes.h"
#include "cpu/gemm_scratch.h"
#include "cpu/quantize_run.h"

namespace halfword {

struct RowsOfA {
  const void* data;
  int64_t stride;
  int64_t rows;
  int64_t k;
  bool are_codes;
  Dtype dtype;  // where they are none
};

// The codes of rows, those of real numbers as quantize makes them by default.
class CodesOfA {
 public:
  explicit CodesOfA(const RowsOfA& a)
      : a_(a),
        find_range_(choose_block_ranges(a.dtype)),
        quantize_(choose_quantize_loop(a.dtype)),
        scales_(a.are_codes ? 0 : a.rows) {}

  // The scales that each_strip finds, or those that belong to the codes.
  GemmScale scales_or(GemmScale given) const {
    return a_.are_codes ? given : GemmScale{scales_.data(), 1};
  }

  // Of one strip, as a number of multiplications.
  int64_t work_of_strip() const { return (a_.are_codes ? 16 : 64) * kStripRows * (a_.k + 1); }

  // pack(codes of the first row, row stride, strip) for each of the strips [first, last).
  template <class Pack>
  void each_strip(const Strips& strips, int64_t first, int64_t last, const Pack& pack) const {
    const Scratch<int8_t> codes(a_.are_codes ? 0 : kStripRows * a_.k);
    for (int64_t s = first; s < last; ++s) {
      const int64_t begin = strips.begin(s);
      if (a_.are_codes) {
        pack(static_cast<const int8_t*>(a_.data) + begin * a_.stride, a_.stride, s);
        continue;
      }
      for (int64_t r = 0; r < strips.rows_of(s); ++r) {
        scales_.data()[begin + r] = quantize_row(begin + r, codes.data() + r * a_.k);
      }
      pack(codes.data(), a_.k, s);
    }
  }

 private:
  // The scale of a row.
  float quantize_row(int64_t row, int8_t* codes) const {
    const BlockCell cell{.x = advance(a_.data, row * a_.stride, element_size(a_.dtype)),
                         .row_stride = a_.k,
                         .row = 0,
                         .col = 0,
                         .rows = 1,
                         .cols = a_.k,
                         .block_cols = std::max<int64_t>(a_.k, 1),
                         .first_block = 0};
    BlockRange range;
    find_range_(cell, /*both_ends=*/false, &range);
    const BlockScale scale = row_scale(range.largest);
    quantize_(cell, &scale,
              {.mapping = Mapping::kSymmetric,
               .range = code_range(Mapping::kSymmetric, 8),
               .random = nullptr,
               .computed = true},
              {.codes = codes, .values = nullptr, .row_sums = nullptr, .cols = a_.k});
    return scale.scale;
  }

  RowsOfA a_;
  BlockRangesLoop find_range_;
  QuantizeLoop quantize_;
  Scratch<float> scales_;
};

// a as its kernels read it, with where their sums begin. Each part of exact_k columns has its own
// starts: [part][row].
class PackedA {
 public:
  PackedA(const GemmInt8Kernels& kernels, int64_t rows, int64_t k, int64_t exact_k)
      : kernels_(kernels),
        strips_{rows},
        k_(k),
        exact_k_(exact_k),
        pitch_(ceil_div(std::max<int64_t>(k, 1), kStripK) * kStripK * kernels.element_size),
        data_(rows * pitch_),
        start_(rows * ceil_div(std::max<int64_t>(k, 1), exact_k)) {}

  const Strips& strips() const { return strips_; }
  int64_t pitch() const { return pitch_; }  // bytes of a row

  // From the rows of the strip.
  void pack(const int8_t* a, int64_t stride, int64_t strip) const {
    const int64_t row = strips_.begin(strip), rows = strips_.rows_of(strip);
    for (int64_t k = 0, part = 0; k < std::max<int64_t>(k_, 1); k += exact_k_, ++part) {
      kernels_.pack_strip({.a = a + k,
                           .row_stride = stride,
                           .rows = rows,
                           .k = std::min(exact_k_, k_ - k),
                           .packed = data_.data() + row * pitch_ + k * rows * kernels_.element_size,
                           .start = start_.data() + part * strips_.rows + row});
    }
  }

  const char* strip(int64_t strip, int64_t k) const {
    const int64_t row = strips_.begin(strip), rows = strips_.rows_of(strip);
    return data_.data() + row * pitch_ + k * rows * kernels_.element_size;
  }
  const int32_t* start(int64_t strip, int64_t part) const {
    return start_.data() + part * strips_.rows + strips_.begin(strip);
  }

 private:
  const GemmInt8Kernels& kernels_;
  Strips strips_;
  int64_t k_;
  int64_t exact_k_;
  int64_t pitch_;
  Scratch<char> data_;
  Scratch<int32_t> start_;
};

}  // namespace halfword
