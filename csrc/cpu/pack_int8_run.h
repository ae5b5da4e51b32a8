// What the packing loops of all instruction sets have in common with their callers.
#pragma once

#include <cstdint>

#include "ops/pack_int8.h"

namespace halfword {

// One panel of `width` rows, of which b has the first `rows`. sums: [rows], or null.
struct PackPanel {
  const int8_t* b;
  int64_t row_stride;
  int64_t rows;
  int64_t width;
  int64_t k;
  uint8_t* packed;
  int32_t* sums;
};

using PackInt8Loop = void (*)(const PackPanel& panel);

void pack_int8_loop_portable(const PackPanel& panel);
void pack_int8_loop_avx2(const PackPanel& panel);
void pack_int8_loop_avx512(const PackPanel& panel);

// Rows of panel `first` / kPanel of a matrix of n.
constexpr int64_t panel_width(int64_t n, int64_t first) {
  constexpr int64_t kPanel = PackInt8Params::kPanel, kStep = PackInt8Params::kPanelStep;
  const int64_t rows = n - first;
  return rows >= kPanel ? kPanel : (rows + kStep - 1) / kStep * kStep;
}

}  // namespace halfword
