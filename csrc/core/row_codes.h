// Where an op that quantizes what it computes leaves the codes: symmetric, 8 bits, one scale a row
// or a given one for all rows (core/quantize_math.h).
#pragma once

#include <cstdint>

#include "core/quantize_math.h"

namespace halfword {

struct RowCodes {
  const float* given_scale;  // one element, or null: computed
  float* scale;              // [rows], written; null with a given scale
  int8_t* codes;             // [rows, cols]
  int32_t* row_sums;         // [rows], sums of codes modulo 2^32; or null
};

// Of a row whose largest magnitude has these bits.
HALFWORD_INLINE BlockScale row_scale(uint32_t largest) {
  BlockRange range;
  range.largest = largest;
  return compute_scale(range, Mapping::kSymmetric, 8);
}

}  // namespace halfword
