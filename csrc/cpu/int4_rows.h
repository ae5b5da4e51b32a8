// The rows of a matrix of nibbles, by threads, with a loop for each layout.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "core/int4.h"
#include "core/parallel.h"

namespace halfword {

template <class Row, Int4Layout kLayout>
void int4_rows_of_layout(int64_t n, int64_t k, ParallelFor parallel, const Row& body) {
  constexpr Int4Chunks kChunks = int4_chunks(kLayout);
  constexpr int64_t kWorthAThread = 1 << 18;  // codes: some 10 us of work
  const int64_t panels = (n + kInt4Panel - 1) / kInt4Panel;
  const int64_t grain = std::max<int64_t>(1, kWorthAThread / (kInt4Panel * (k + 1)));
  const int64_t in_row = kChunks.in_row(k);
  parallel_for(parallel, panels, grain, [&](int64_t first, int64_t last) {
    for (int64_t row = first * kInt4Panel; row < std::min(last * kInt4Panel, n); ++row) {
      body(std::integral_constant<Int4Layout, kLayout>(), row,
           kChunks.first(row, in_row) << kChunks.shift);
    }
  });
}

// Calls body(layout as a constant, row, place of its first byte) for each row.
template <class Row>
void int4_rows(Int4Layout layout, int64_t n, int64_t k, ParallelFor parallel, const Row& body) {
  switch (layout) {
    case Int4Layout::kNibbles:
      return int4_rows_of_layout<Row, Int4Layout::kNibbles>(n, k, parallel, body);
    case Int4Layout::kPanels:
      return int4_rows_of_layout<Row, Int4Layout::kPanels>(n, k, parallel, body);
    case Int4Layout::kFragments16:
      return int4_rows_of_layout<Row, Int4Layout::kFragments16>(n, k, parallel, body);
    case Int4Layout::kFragments8:
      return int4_rows_of_layout<Row, Int4Layout::kFragments8>(n, k, parallel, body);
  }
}

}  // namespace halfword
