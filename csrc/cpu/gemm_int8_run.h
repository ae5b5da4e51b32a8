// What the GEMM kernels of all instruction sets have in common with their launcher.
//
// a is packed too, at each call: strips of up to kStripRows rows, each
// [ceil(k / kStripK)][rows][kStripK] elements with zeros past k, so that a tile reads a strip from
// front to back. An element is an int8_t, or the int16_t that AVX2 multiplies.
//
// The codes of b are read as b + 128, and a tile begins at -128 * sum_k a[r, k] for it. All sums
// are modulo 2^32, so only the last one must fit.
#pragma once

#include <cstdint>

#include "core/host_device.h"
#include "ops/gemm_int8.h"

namespace halfword {

constexpr int64_t kStripRows = 6;
constexpr int64_t kStripK = 64;
constexpr int64_t kTileColumns = PackInt8Params::kPanel;

struct GemmStrip {
  const int8_t* a;
  int64_t row_stride;
  int64_t rows;
  int64_t k;
  void* packed;
  int32_t* start;  // [rows]
};

// acc[r, c] = (start[r] | acc[r, c] where start is null) + sum_k a[r, k] * b[c, k]
struct GemmTile {
  const void* a;  // a strip, or its part from a multiple of kStripK on
  int64_t rows;
  const uint8_t* b;  // a panel, or its part from that k on
  int64_t columns;   // of the panel
  int64_t k;
  const int32_t* start;
  int32_t* acc;   // [rows, kTileColumns]
  bool is_alone;  // no other strip reads these bytes of b
  // What the memory will be asked for next: 256 bytes are prefetched at every step of four k, and
  // then ahead_step bytes are gone.
  const uint8_t* ahead;
  int64_t ahead_step;
};

// The same from up to kDotRows rows of b as they lie: column c of acc is row c of b.
constexpr int64_t kDotRows = 4;
struct GemmDots {
  const void* a;
  int64_t rows;
  const int8_t* b;
  int64_t b_stride;
  int64_t b_rows;
  int64_t k;
  const int32_t* start;
  int32_t* acc;
  int64_t ahead;  // how many bytes on from b the memory will be asked for next
};

// From sums to rows of out, as the contract says.
struct GemmFinish {
  int32_t* acc;           // [rows, kTileColumns]; written too
  const float* long_acc;  // the same as floats, zero points included, and acc is not read; or null
  int64_t rows;
  int64_t columns;
  const int32_t* b_sums;  // [kTileColumns], with a zero point
  const GemmInt8Params* params;
  int64_t row;  // of out, where acc begins
  int64_t column;
};

// The rows of b of dots, for a loop over whole steps of kStripK. From whole_k on they are read from
// a copy that zeros follow; a row that is not there is the last one once more.
struct DotRows {
  const int8_t* row[kDotRows];
  int64_t whole_k;
  alignas(64) int8_t last[kDotRows][kStripK];

  HALFWORD_INLINE explicit DotRows(const GemmDots& d) : whole_k(d.k / kStripK * kStripK) {
    for (int64_t c = 0; c < kDotRows; ++c) {
      row[c] = d.b + (c < d.b_rows ? c : d.b_rows - 1) * d.b_stride;
      if (whole_k == d.k) continue;
      __builtin_memset(last[c], 0, kStripK);
      __builtin_memcpy(last[c], row[c] + whole_k, static_cast<size_t>(d.k - whole_k));
    }
  }
  // To be called at every step, before it.
  HALFWORD_INLINE void step(int64_t k) {
    if (k != whole_k) return;
    for (int64_t c = 0; c < kDotRows; ++c) row[c] = last[c] - k;
  }
};

struct GemmInt8Kernels {
  int64_t element_size;  // of a packed
  void (*pack_strip)(const GemmStrip& strip);
  void (*tile)(const GemmTile& tile);
  void (*dots)(const GemmDots& dots);
  void (*finish)(const GemmFinish& finish);
};

extern const GemmInt8Kernels gemm_int8_kernels_portable;
extern const GemmInt8Kernels gemm_int8_kernels_avx2;
extern const GemmInt8Kernels gemm_int8_kernels_avxvnni;
extern const GemmInt8Kernels gemm_int8_kernels_evex_avx512vnni;  // avxvnni in its other encoding
extern const GemmInt8Kernels gemm_int8_kernels_avx512vnni;

}  // namespace halfword
