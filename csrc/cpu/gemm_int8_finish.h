// From a tile of sums to rows of out, written once for every instruction set and type.
// Include after one of the simd_*.h headers.
//
// A row goes from the tile to out in one pass; with options it goes through a dense buffer of
// floats in the L1 cache, and each option is a pass over that.
#pragma once

#include <cstring>

#include "core/activation_math.h"
#include "core/quantize_math.h"
#include "cpu/elements.h"
#include "cpu/gemm_int8_run.h"

namespace halfword {
namespace {

constexpr int64_t kRow = kTileColumns;
static_assert(kRow % kLanes == 0);

HALFWORD_INLINE const void* element(const void* p, int64_t i, int64_t size) {
  return static_cast<const char*>(p) + i * size;
}
HALFWORD_INLINE void* element(void* p, int64_t i, int64_t size) {
  return static_cast<char*>(p) + i * size;
}

// `columns` elements as kRow floats; what is past the end is finite.
template <class Format>
HALFWORD_INLINE void widen_row(const void* from, int64_t columns, float* to) {
  alignas(64) char dense[kRow * 4];
  if (columns < kRow) {
    std::memset(dense, 0, sizeof dense);
    std::memcpy(dense, from, static_cast<size_t>(columns) * sizeof(typename Format::Word));
    from = dense;
  }
  for (int64_t i = 0; i < kRow; i += kLanes) store_floats(to + i, Format::load(from, i));
}
inline void widen_row(const void* from, Dtype dtype, int64_t columns, float* to) {
  switch (dtype) {
    case Dtype::kFloat32: return widen_row<Float32>(from, columns, to);
    case Dtype::kBFloat16: return widen_row<BFloat16>(from, columns, to);
    case Dtype::kFloat16: return widen_row<Float16>(from, columns, to);
  }
}

// What the columns of a tile are scaled by and added to.
struct ColumnValues {
  alignas(64) float scale[kRow];
  alignas(64) float bias[kRow];

  HALFWORD_INLINE ColumnValues(const GemmInt8Params& p, int64_t column, int64_t columns) {
    const GemmScale& b = p.scale_b;
    if (b.data != nullptr && b.stride != 0) {
      widen_row<Float32>(b.data + column, columns, scale);
    } else {
      const F32 value(b.data == nullptr ? 1.0f : *b.data);
      for (int64_t i = 0; i < kRow; i += kLanes) store_floats(scale + i, value);
    }
    if (p.bias != nullptr) {
      const auto size = static_cast<int64_t>(element_size(p.bias_dtype));
      widen_row(element(p.bias, column, size), p.bias_dtype, columns, bias);
    }
  }
};

// A row of the tile: y = float(acc) * scale_b * scale_a + bias.
struct ScaledRow {
  const uint32_t* acc;
  const float* long_acc;
  const ColumnValues& of;
  F32 scale_a;
  bool has_bias;

  HALFWORD_INLINE ScaledRow(const GemmFinish& f, const ColumnValues& columns, int64_t r)
      : acc(f.long_acc != nullptr ? nullptr : reinterpret_cast<const uint32_t*>(f.acc + r * kRow)),
        long_acc(f.long_acc == nullptr ? nullptr : f.long_acc + r * kRow),
        of(columns),
        has_bias(f.params->bias != nullptr) {
    const GemmScale& a = f.params->scale_a;
    scale_a = F32(a.data == nullptr ? 1.0f : a.data[(f.row + r) * a.stride]);
  }
  HALFWORD_INLINE F32 operator()(int64_t i) const {
    F32 y = long_acc == nullptr ? from_integer(load_words(acc + i)) : load_floats(long_acc + i);
    y = y * load_floats(of.scale + i) * scale_a;
    return has_bias ? y + load_floats(of.bias + i) : y;
  }
};

// Residual, activation, beta: what is not in every product.
inline void extend_row(const GemmFinish& f, int64_t m, const void* out, float* y) {
  const GemmInt8Params& p = *f.params;
  alignas(64) float x[kRow];
  if (p.residual != nullptr) {
    const auto size = static_cast<int64_t>(element_size(p.residual_dtype));
    const int64_t begin = m * p.residual_stride + f.column;
    widen_row(element(p.residual, begin, size), p.residual_dtype, f.columns, x);
    for (int64_t i = 0; i < kRow; i += kLanes) {
      store_floats(y + i, load_floats(y + i) + load_floats(x + i));
    }
  }
  if (p.activation != Activation::kNone) {
    for (int64_t i = 0; i < kRow; i += kLanes) {
      store_floats(y + i, activate(load_floats(y + i), p.activation));
    }
  }
  if (p.beta != 0.0f) {
    widen_row<Float32>(out, f.columns, x);
    for (int64_t i = 0; i < kRow; i += kLanes) {
      store_floats(y + i, load_floats(y + i) + F32(p.beta) * load_floats(x + i));
    }
  }
}

template <class Store>
HALFWORD_INLINE void store_row(int64_t columns, int64_t size, void* out, const Store& store) {
  alignas(64) char dense[kRow * 4];
  void* to = columns < kRow ? dense : out;
  for (int64_t i = 0; i < kRow; i += kLanes) store(to, i);
  if (columns < kRow) std::memcpy(out, dense, static_cast<size_t>(columns * size));
}

// y(i) of a row, rounded to the type of out.
template <class Value>
HALFWORD_INLINE void round_row(const GemmFinish& f, const Value& y, BlockScale codes, void* out) {
  const auto as = [&](auto format) {
    using Format = decltype(format);
    store_row(f.columns, sizeof(typename Format::Word), out,
              [&](void* to, int64_t i) { Format::store(to, i, y(i)); });
  };
  switch (f.params->out_type) {
    case GemmOut::kFloat32: return as(Float32());
    case GemmOut::kBFloat16: return as(BFloat16());
    case GemmOut::kFloat16: return as(Float16());
    case GemmOut::kInt8:
      return store_row(f.columns, 1, out, [&](void* to, int64_t i) {
        const F32 code = linear_code(y(i), F32(codes.inv), F32(codes.zero_point),
                                     code_range(Mapping::kAffine, 8));
        store_bytes(static_cast<int8_t*>(to) + i, to_integer(code));
      });
    case GemmOut::kInt32: return;  // was never a float
  }
}

inline void remove_zero_points(const GemmFinish& f) {
  const GemmInt8Params& p = *f.params;
  const auto* sums = reinterpret_cast<const uint32_t*>(f.b_sums);
  for (int64_t r = 0; r < f.rows; ++r) {
    const U32 zero(static_cast<uint32_t>(p.zero_point_a[(f.row + r) * p.zero_point_stride]));
    auto* acc = reinterpret_cast<uint32_t*>(f.acc + r * kRow);
    for (int64_t i = 0; i < kRow; i += kLanes) {
      store_words(acc + i, load_words(acc + i) - zero * load_words(sums + i));
    }
  }
}

inline void finish_tile(const GemmFinish& f) {
  const GemmInt8Params& p = *f.params;
  if (p.zero_point_a != nullptr && f.long_acc == nullptr) remove_zero_points(f);
  const auto size = static_cast<int64_t>(element_size(p.out_type));
  const auto out_row = [&](int64_t r) {
    return element(p.out, (f.row + r) * p.out_stride + f.column, size);
  };
  if (p.out_type == GemmOut::kInt32) {
    for (int64_t r = 0; r < f.rows; ++r) {
      std::memcpy(out_row(r), f.acc + r * kRow, static_cast<size_t>(f.columns * size));
    }
    return;
  }
  const ColumnValues of(p, f.column, f.columns);
  const bool extended =
      p.residual != nullptr || p.activation != Activation::kNone || p.beta != 0.0f;
  BlockScale codes{};
  if (p.out_type == GemmOut::kInt8) {
    const int32_t zero_point = p.zero_point_out == nullptr ? 0 : *p.zero_point_out;
    codes = given_scale(*p.scale_out, static_cast<float>(zero_point));
  }
  for (int64_t r = 0; r < f.rows; ++r) {
    const ScaledRow row(f, of, r);
    if (!extended) {
      round_row(f, row, codes, out_row(r));
      continue;
    }
    alignas(64) float y[kRow];
    for (int64_t i = 0; i < kRow; i += kLanes) store_floats(y + i, row(i));
    extend_row(f, f.row + r, out_row(r), y);
    round_row(f, [&](int64_t i) { return load_floats(y + i); }, codes, out_row(r));
  }
}

}  // namespace
}  // namespace halfword
