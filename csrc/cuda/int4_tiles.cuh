// A matrix of nibbles cut in pieces of its rows, a byte for each thread of a block.
#pragma once

#include "core/int4.h"
#include "cuda/launch.cuh"

namespace halfword {

struct Int4Tiles {
  Int4Chunks chunks;
  int64_t k;
  int64_t in_row;  // chunks
  int64_t pieces;  // of a row
  int64_t count;

  // Calls body(row, first column, place) for this thread's bytes.
  template <class Body>
  __device__ __forceinline__ void for_each(const Body& body) const {
    for (int64_t tile = blockIdx.x; tile < count; tile += gridDim.x) {
      const int64_t row = tile / pieces;
      const int64_t byte = (tile - row * pieces) * kThreads + threadIdx.x;
      const int64_t chunk = byte >> chunks.shift;
      if (chunk >= in_row) continue;
      const int in_chunk = static_cast<int>(byte) & (chunks.bytes() - 1);
      const int64_t at = chunks.first(row, in_row) + chunk * chunks.step();
      body(row, chunk * chunks.columns() + chunks.low_column(in_chunk),
           (at << chunks.shift) + in_chunk);
    }
  }
};

inline Int4Tiles int4_tiles(Int4Layout layout, int64_t n, int64_t k) {
  const Int4Chunks chunks = int4_chunks(layout);
  const int64_t in_row = chunks.in_row(k);
  const int64_t pieces = ((in_row << chunks.shift) + kThreads - 1) / kThreads;
  return {chunks, k, in_row, pieces, n * pieces};
}

}  // namespace halfword
