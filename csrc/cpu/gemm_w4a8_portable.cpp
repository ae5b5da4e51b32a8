// The W4A8 kernels for any machine.
#include "cpu/simd_portable.h"
// Scales are read in the vocabulary above.
#include "cpu/gemm_w4a8_run.h"
#include "cpu/gemm_w4a8_scale.h"

namespace halfword {
namespace {

// Where column k of row r is in a strip.
int64_t strip_place(int64_t rows, int64_t r, int64_t k) {
  return (k / kBlockK * rows + r) * kBlockK + k % kBlockK;
}

void pack_strip(const W4A8Strip& s) {
  const int64_t parts = (s.k + s.part - 1) / s.part;
  for (int64_t i = 0; i < parts * s.rows; ++i) s.start[i] = 0;
  for (int64_t r = 0; r < s.rows; ++r) {
    for (int64_t k = 0; k < s.k; ++k) {
      const int8_t value = s.a[r * s.row_stride + k];
      s.packed[strip_place(s.rows, r, k)] = value;
      s.start[k / s.part * s.rows + r] -= 8 * value;
    }
    for (int64_t k = s.k; k % kBlockK != 0; ++k) s.packed[strip_place(s.rows, r, k)] = 0;
  }
}

void add_products(const W4A8Tile& t, int64_t r, int64_t k, uint32_t* acc) {
  const int8_t* a = t.a + strip_place(t.rows, r, k);
  const uint8_t* b = t.b + k / 2 * kInt4Panel;
  for (int64_t i = 0; i < 4 * kInt4Panel; ++i) {
    const int sum = a[i % 4] * (b[i] & 15) + a[4 + i % 4] * (b[i] >> 4);
    acc[i / 4] += static_cast<uint32_t>(sum);
  }
}

void tile(const W4A8Tile& t) {
  for (int64_t r = 0; r < t.rows; ++r) {
    float* sum = t.sum + r * kInt4Panel;
    for (int64_t begin = 0, part = 0; begin < t.k; begin += t.part, ++part) {
      const int32_t sum_a = t.start[part * t.rows + r] / -8;
      uint32_t acc[kInt4Panel];
      for (int64_t c = 0; c < kInt4Panel; ++c) {
        const int zero = t.zero_point == nullptr ? 8 : t.zero_point[part * kInt4Panel + c];
        acc[c] = static_cast<uint32_t>(t.opens ? -zero * sum_a : t.acc[r * kInt4Panel + c]);
      }
      const int64_t end = begin + t.part < t.k ? begin + t.part : t.k;
      for (int64_t k = begin; k < end; k += kStepK) add_products(t, r, k, acc);
      for (int64_t c = 0; c < kInt4Panel; ++c) {
        const auto exact = static_cast<int32_t>(acc[c]);
        if (!t.closes) {
          t.acc[r * kInt4Panel + c] = exact;
          continue;
        }
        const int64_t i = part * kInt4Panel + c;
        F32 y = load_floats(sum + c);
        y = fma(F32(static_cast<float>(exact)), load_scales(t.scale, t.scale_dtype, i), y);
        if (t.offset != nullptr) {
          y = fma(F32(static_cast<float>(sum_a)), load_scales(t.offset, t.scale_dtype, i), y);
        }
        store_floats(sum + c, y);
      }
    }
  }
}

}  // namespace

const GemmW4A8Kernels gemm_w4a8_kernels_portable = {0,          1,    1,
                                                    pack_strip, tile, &gemm_int8_kernels_portable};

}  // namespace halfword
