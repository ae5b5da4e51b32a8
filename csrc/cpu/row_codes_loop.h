// What ops that quantize rows which they compute have in common: rows of any length in vectors, and
// the last step. Include after one of the simd_*.h headers.
#pragma once

#include "core/row_codes.h"
#include "cpu/quantize_loop.h"

namespace halfword {
namespace {

// Elements i, i + 1, ... of a row, a vector of them; zeros from `cols` on.
template <class Element>
HALFWORD_INLINE F32 load_part(const void* x, int64_t i, int64_t cols) {
  return i + kLanes <= cols ? Element::load(x, i) : load_some<Element>(x, i, cols - i);
}

// The same written; what lies past `cols` is not.
template <class Element>
HALFWORD_INLINE void store_part(void* to, int64_t i, int64_t cols, F32 x) {
  if (i + kLanes <= cols) return Element::store(to, i, x);
  constexpr int64_t kSize = sizeof(typename Element::Word);
  alignas(64) char padded[kLanes * kSize];
  Element::store(padded, 0, x);
  __builtin_memcpy(static_cast<char*>(to) + i * kSize, padded,
                   static_cast<size_t>((cols - i) * kSize));
}

// Scale, codes and sum of a row y; largest: the bits of its magnitudes, a maximum a lane.
HALFWORD_INLINE void write_row_codes(const RowCodes& out, int64_t row, const float* y, int64_t cols,
                                     U32 largest) {
  const BlockScale scale = out.given_scale == nullptr ? row_scale(largest_lane(largest))
                                                      : given_scale(*out.given_scale, 0.0f);
  if (out.scale != nullptr) out.scale[row] = scale.scale;
  const OneScale used{scale};
  const CodeRange range = code_range(Mapping::kSymmetric, 8);
  int8_t* codes = out.codes + row * cols;
  RowSum sum;
  RowSum* wanted = out.row_sums == nullptr ? nullptr : &sum;
  if (out.given_scale == nullptr && scale.inv == scale.inv) {
    quantize_run<Float32, NearestInRange>(y, cols, used, range, nullptr, codes, wanted);
  } else {
    quantize_run<Float32, Nearest>(y, cols, used, range, nullptr, codes, wanted);
  }
  if (wanted != nullptr) out.row_sums[row] = static_cast<int32_t>(sum.total());
}

}  // namespace
}  // namespace halfword
