// What the W4A16 kernels do beside products, written once for every instruction set.
// Include after one of the simd_*.h headers.
#pragma once

#include <cstring>

#include "cpu/gemm_int8_finish.h"
#include "cpu/gemm_w4a16_run.h"

namespace halfword {
namespace {

// kLanes scales or offsets from p[i] on.
HALFWORD_INLINE F32 load_scales(const void* p, Dtype dtype, int64_t i) {
  switch (dtype) {
    case Dtype::kFloat32: break;
    case Dtype::kBFloat16: return BFloat16::load(p, i);
    case Dtype::kFloat16: return Float16::load(p, i);
  }
  return Float32::load(p, i);
}

// The sums of a over each group: eight sums of every eighth column, then these one after the other.
// value(r, step, i) is element i of a step of row r.
template <class Value>
HALFWORD_INLINE void sum_groups(const W4A16Strip& s, const Value& value) {
  if (s.sums == nullptr) return;
  for (int64_t k = 0, g = 0; k < s.k; k += s.group, ++g) {
    const int64_t end = k + s.group < s.k ? k + s.group : s.k;
    for (int64_t r = 0; r < s.rows; ++r) {
      float eight[kStepK] = {};
      for (int64_t step = k / kStepK; step * kStepK < end; ++step) {
        for (int64_t i = 0; i < kStepK; ++i) eight[i] += value(r, step, i);
      }
      float sum = 0.0f;
      for (const float each : eight) sum += each;
      s.sums[g * s.rows + r] = sum;
    }
  }
}

// For kernels that multiply FP32.
inline void pack_floats(const W4A16Strip& s) {
  auto* packed = static_cast<float*>(s.packed);
  const auto size = static_cast<int64_t>(element_size(s.dtype));
  for (int64_t r = 0; r < s.rows; ++r) {
    for (int64_t k = 0; k < s.k; k += kRow) {
      alignas(64) float row[kRow];
      const int64_t columns = s.k - k < kRow ? s.k - k : kRow;
      widen_row(element(s.a, r * s.row_stride + k, size), s.dtype, columns, row);
      for (int64_t i = 0; i < columns; i += kStepK) {
        std::memcpy(packed + ((k + i) / kStepK * s.rows + r) * kStepK, row + i, 4 * kStepK);
      }
    }
  }
  sum_groups(s, [&](int64_t r, int64_t step, int64_t i) {
    return packed[(step * s.rows + r) * kStepK + i];
  });
}

}  // namespace
}  // namespace halfword
