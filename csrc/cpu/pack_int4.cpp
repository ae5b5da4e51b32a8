// A row after the other, a chunk at a time; the last one from a copy that zeros fill up.
#include "ops/pack_int4.h"

#include <algorithm>
#include <cstring>

#include "cpu/int4_rows.h"

namespace halfword {
namespace {

template <Int4Layout kLayout>
void pack_chunk(const int8_t* codes, uint8_t* packed) {
  constexpr Int4Chunks kChunks = int4_chunks(kLayout);
  for (int j = 0; j < kChunks.bytes(); ++j) {
    const int8_t* low = codes + kChunks.low_column(j);
    packed[j] = int4_pair(low[0], low[kChunks.high_step]);
  }
}

template <Int4Layout kLayout>
void pack_row(const int8_t* codes, int64_t k, uint8_t* packed) {
  constexpr Int4Chunks kChunks = int4_chunks(kLayout);
  constexpr int64_t kStep = kChunks.step() * kChunks.bytes();
  constexpr int64_t kColumns = kChunks.columns();
  for (; k >= kColumns; k -= kColumns, codes += kColumns, packed += kStep) {
    pack_chunk<kLayout>(codes, packed);
  }
  if (k == 0) return;
  int8_t last[kColumns] = {};
  std::memcpy(last, codes, static_cast<size_t>(k));
  pack_chunk<kLayout>(last, packed);
}

// The rows past the end that a layout has, as codes of 0.
void fill_rows_past_end(const PackInt4Params& p) {
  if (p.layout != Int4Layout::kPanels || p.n % kInt4Panel == 0) return;
  const int64_t whole = int4_bytes(p.layout, p.n / kInt4Panel * kInt4Panel, p.k);
  const int64_t all = int4_bytes(p.layout, p.n, p.k);
  std::fill(p.packed + whole, p.packed + all, int4_pair(0, 0));
}

}  // namespace

void pack_int4_cpu(const PackInt4Params& params, ParallelFor parallel) {
  fill_rows_past_end(params);
  int4_rows(params.layout, params.n, params.k, parallel, [&](auto layout, int64_t row, int64_t at) {
    pack_row<layout()>(params.codes + row * params.row_stride, params.k, params.packed + at);
  });
}

}  // namespace halfword
