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

// What the sums of a group are scaled by, at kLanes columns from c on.
struct GroupScales {
  const W4A16Tile& t;
  const float* a_sums;
  int64_t column;
  F32 scale;
  F32 offset;

  HALFWORD_INLINE GroupScales(const W4A16Tile& tile, int64_t group, int64_t c)
      : t(tile), a_sums(tile.a_sums), column(c) {
    const int64_t at = group * kTileColumns + c;
    scale = load_scales(t.scale, t.scale_dtype, at);
    if (t.offset == nullptr) return;
    offset = load_scales(t.offset, t.scale_dtype, at);
    a_sums += group * t.rows;
  }
  // To the sums of row r.
  HALFWORD_INLINE void add(int64_t r, F32 acc) const {
    float* to = t.sum + r * kTileColumns + column;
    F32 sum = add_product(acc, scale, load_floats(to));
    if (t.offset != nullptr) sum = add_product(F32(a_sums[r]), offset, sum);
    store_floats(to, sum);
  }

 private:
  // Fused where that is one instruction.
  HALFWORD_INLINE static F32 add_product(F32 a, F32 b, F32 sum) {
    return kLanes == 1 ? a * b + sum : fma(a, b, sum);
  }
};

}  // namespace
}  // namespace halfword
