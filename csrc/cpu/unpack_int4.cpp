// A row after the other, a chunk at a time; the last one by way of a copy that is cut off.
#include "ops/unpack_int4.h"

#include <cstring>

#include "cpu/int4_rows.h"

namespace halfword {
namespace {

template <Int4Layout kLayout>
void unpack_chunk(const uint8_t* packed, int8_t* codes) {
  constexpr Int4Chunks kChunks = int4_chunks(kLayout);
  for (int j = 0; j < kChunks.bytes(); ++j) {
    int8_t* low = codes + kChunks.low_column(j);
    low[0] = int4_low(packed[j]);
    low[kChunks.high_step] = int4_high(packed[j]);
  }
}

template <Int4Layout kLayout>
void unpack_row(const uint8_t* packed, int64_t k, int8_t* codes) {
  constexpr Int4Chunks kChunks = int4_chunks(kLayout);
  constexpr int64_t kStep = kChunks.step() * kChunks.bytes();
  constexpr int64_t kColumns = kChunks.columns();
  for (; k >= kColumns; k -= kColumns, codes += kColumns, packed += kStep) {
    unpack_chunk<kLayout>(packed, codes);
  }
  if (k == 0) return;
  int8_t last[kColumns];
  unpack_chunk<kLayout>(packed, last);
  std::memcpy(codes, last, static_cast<size_t>(k));
}

}  // namespace

void unpack_int4_cpu(const UnpackInt4Params& params, ParallelFor parallel) {
  int4_rows(params.layout, params.n, params.k, parallel, [&](auto layout, int64_t row, int64_t at) {
    unpack_row<layout()>(params.packed + at, params.k, params.codes + row * params.k);
  });
}

}  // namespace halfword
