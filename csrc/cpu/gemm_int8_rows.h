// The rows of a as the kernels of a product read them: packed in strips, and real ones quantized on
// their way there.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/row_codes.h"
#include "cpu/gemm_scratch.h"
#include "cpu/quantize_run.h"

namespace halfword {

// Rows of real numbers to codes, as quantize does it by default.
class RowQuantizer {
 public:
  explicit RowQuantizer(Dtype dtype)
      : find_range_(choose_block_ranges(dtype)), quantize_(choose_quantize_loop(dtype)) {}

  // The codes of a row, and its scale.
  float run(const void* row, int64_t cols, int8_t* codes) const {
    const BlockCell cell{.x = row,
                         .row_stride = cols,
                         .row = 0,
                         .col = 0,
                         .rows = 1,
                         .cols = cols,
                         .block_cols = std::max<int64_t>(cols, 1),
                         .first_block = 0};
    BlockRange range;
    find_range_(cell, /*both_ends=*/false, &range);
    const BlockScale scale = row_scale(range.largest);
    quantize_(cell, &scale,
              {.mapping = Mapping::kSymmetric,
               .range = code_range(Mapping::kSymmetric, 8),
               .random = nullptr,
               .computed = true},
              {.codes = codes, .values = nullptr, .row_sums = nullptr, .cols = cols});
    return scale.scale;
  }

 private:
  BlockRangesLoop find_range_;
  QuantizeLoop quantize_;
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
        pitch_(ceil_div(k, kStripK) * kStripK * kernels.element_size),
        data_(rows * pitch_),
        start_(rows * ceil_div(std::max<int64_t>(k, 1), exact_k)) {}

  const Strips& strips() const { return strips_; }

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
  int64_t pitch_;  // bytes of a row
  Scratch<char> data_;
  Scratch<int32_t> start_;
};

}  // namespace halfword
