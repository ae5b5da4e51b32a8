// The GEMM kernels for any machine.
#include "cpu/simd_portable.h"
// The last pass is written in the vocabulary above.
#include "cpu/gemm_int8_finish.h"

namespace halfword {
namespace {

void pack_strip(const GemmStrip& s) {
  auto* packed = static_cast<int8_t*>(s.packed);
  for (int64_t r = 0; r < s.rows; ++r) {
    uint32_t sum = 0;
    for (int64_t k = 0; k < s.k; ++k) {
      const int8_t value = s.a[r * s.row_stride + k];
      packed[(k / kStripK * s.rows + r) * kStripK + k % kStripK] = value;
      sum += static_cast<uint32_t>(static_cast<int32_t>(value));
    }
    for (int64_t k = s.k; k % kStripK != 0; ++k) {
      packed[(k / kStripK * s.rows + r) * kStripK + k % kStripK] = 0;
    }
    s.start[r] = static_cast<int32_t>(0u - 128u * sum);
  }
}

// The four elements of step `k` / 4 of row r of a strip.
const int8_t* strip_step(const void* a, int64_t rows, int64_t r, int64_t k) {
  return static_cast<const int8_t*>(a) + (k / kStripK * rows + r) * kStripK + k % kStripK;
}

void tile(const GemmTile& t) {
  for (int64_t r = 0; r < t.rows; ++r) {
    int32_t* acc = t.acc + r * kTileColumns;
    uint32_t sums[kTileColumns];
    for (int64_t c = 0; c < t.columns; ++c) {
      sums[c] = static_cast<uint32_t>(t.start == nullptr ? acc[c] : t.start[r]);
    }
    for (int64_t k = 0; k < t.k; k += 4) {
      const int8_t* a = strip_step(t.a, t.rows, r, k);
      const uint8_t* b = t.b + k * t.columns;
      for (int64_t c = 0; c < t.columns; ++c, b += 4) {
        sums[c] += static_cast<uint32_t>(a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]);
      }
    }
    for (int64_t c = 0; c < t.columns; ++c) acc[c] = static_cast<int32_t>(sums[c]);
  }
}

void dots(const GemmDots& d) {
  for (int64_t r = 0; r < d.rows; ++r) {
    for (int64_t c = 0; c < d.b_rows; ++c) {
      const int8_t* b = d.b + c * d.b_stride;
      int32_t& acc = d.acc[r * kTileColumns + c];
      auto sum = static_cast<uint32_t>(d.start == nullptr ? acc : d.start[r]);
      for (int64_t k = 0; k < d.k; ++k) {
        sum += static_cast<uint32_t>(*strip_step(d.a, d.rows, r, k) * (b[k] + 128));
      }
      acc = static_cast<int32_t>(sum);
    }
  }
}

}  // namespace

const GemmInt8Kernels gemm_int8_kernels_portable = {1, pack_strip, tile, dots, finish_tile};

}  // namespace halfword
