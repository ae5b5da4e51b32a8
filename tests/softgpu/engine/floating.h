// FP32 and FP64 instructions of PTX.
//
// A NaN that FP32 arithmetic gives is 0x7fffffff, as on NVIDIA hardware; the bits of one of FP64
// are the host's. The manual promises neither.
// .ftz replaces subnormal inputs and results by zeros of their sign; .sat clamps to [0, 1] and
// turns NaN into +0.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "engine/rounding.h"

namespace softgpu {

template <class T>
concept Floating = std::is_same_v<T, float> || std::is_same_v<T, double>;

inline float canonical(float x) { return x == x ? x : std::bit_cast<float>(0x7fffffffu); }
inline double canonical(double x) { return x; }

template <bool ftz, Floating T>
T flush(T x) {
  if (!ftz || std::fabs(x) >= std::numeric_limits<T>::min() || x != x) return x;
  return std::copysign(T{0}, x);
}

template <bool sat, Floating T>
T saturate(T x) {
  if (!sat) return x;
  return x > 0 ? (x < 1 ? x : T{1}) : T{0};
}

template <bool ftz, bool sat, Floating T>
T finish(T x) {
  return saturate<sat>(flush<ftz>(canonical(x)));
}

template <Rounding rounding, bool ftz = false, bool sat = false, Floating T>
T add(T a, T b) {
  a = flush<ftz>(a);
  b = flush<ftz>(b);
  return finish<ftz, sat>(rounding == Rounding::kNearest ? a + b : add_rounded(a, b, rounding));
}
template <Rounding rounding, bool ftz = false, bool sat = false, Floating T>
T subtract(T a, T b) {
  return add<rounding, ftz, sat>(a, -b);
}
template <Rounding rounding, bool ftz = false, bool sat = false, Floating T>
T multiply(T a, T b) {
  a = flush<ftz>(a);
  b = flush<ftz>(b);
  return finish<ftz, sat>(rounding == Rounding::kNearest ? a * b
                                                         : multiply_rounded(a, b, rounding));
}
template <Rounding rounding, bool ftz = false, bool sat = false, Floating T>
T fused(T a, T b, T c) {
  a = flush<ftz>(a);
  b = flush<ftz>(b);
  c = flush<ftz>(c);
  return finish<ftz, sat>(rounding == Rounding::kNearest ? std::fma(a, b, c)
                                                         : fused_rounded(a, b, c, rounding));
}
template <Rounding rounding, bool ftz = false, bool sat = false, Floating T>
T divide(T a, T b) {
  a = flush<ftz>(a);
  b = flush<ftz>(b);
  return finish<ftz, sat>(rounding == Rounding::kNearest ? a / b : divide_rounded(a, b, rounding));
}
template <Rounding rounding, bool ftz = false, Floating T>
T square_root(T a) {
  a = flush<ftz>(a);
  return finish<ftz, false>(rounding == Rounding::kNearest ? std::sqrt(a)
                                                           : square_root_rounded(a, rounding));
}

// For atomics.
template <Floating T>
T add(T a, std::type_identity_t<T> b) {
  return add<Rounding::kNearest>(a, b);
}

template <bool ftz>
float divide_approximately(float a, float b) {
  return divide<Rounding::kNearest, ftz>(a, b);
}
template <bool ftz = false, Floating T>
T reciprocal_square_root(T a) {
  a = flush<ftz>(a);
  return finish<ftz, false>(static_cast<T>(1 / std::sqrt(static_cast<double>(a))));
}
// rcp.approx.ftz.f64 reads and writes the high words only.
inline double reciprocal_of_high_word(double a) {
  constexpr uint64_t kHigh = 0xffffffff00000000u;
  a = flush<true>(std::bit_cast<double>(std::bit_cast<uint64_t>(a) & kHigh));
  const double result = finish<true, false>(1 / a);
  return std::bit_cast<double>(std::bit_cast<uint64_t>(result) & kHigh);
}
template <bool ftz>
float approximate(float a, double (*function)(double)) {
  return finish<ftz, false>(static_cast<float>(function(flush<ftz>(a))));
}

// These change the sign bit, of a NaN too.
template <bool ftz = false, Floating T>
T absolute(T a) {
  return flush<ftz>(std::fabs(a));
}
template <bool ftz = false, Floating T>
T negate(T a) {
  return flush<ftz>(-a);
}

// Of a number and a NaN the number, or NaN if `nan` is set; -0 < +0. With `xor_sign` of the
// magnitudes, with the product's sign.
template <bool nan, Floating T>
T lesser(T a, T b) {
  if (a != a || b != b) return canonical(nan || (a != a && b != b) ? a + b : a != a ? b : a);
  if (a == b) return std::signbit(a) ? a : b;
  return a < b ? a : b;
}
template <bool xor_sign, Floating T, class Pick>
T pick(T a, T b, Pick choose) {
  if (!xor_sign) return choose(a, b);
  const bool sign = std::signbit(a) != std::signbit(b);
  const T magnitude = choose(std::fabs(a), std::fabs(b));
  return sign && magnitude == magnitude ? -magnitude : magnitude;
}
template <bool ftz = false, bool nan = false, bool xor_sign = false, Floating T>
T minimum(T a, T b) {
  return pick<xor_sign>(flush<ftz>(a), flush<ftz>(b), lesser<nan, T>);
}
template <bool ftz = false, bool nan = false, bool xor_sign = false, Floating T>
T maximum(T a, T b) {
  const auto greater = [](T x, T y) {
    const T least = lesser<nan, T>(-x, -y);
    return least == least ? -least : least;
  };
  return pick<xor_sign>(flush<ftz>(a), flush<ftz>(b), greater);
}

enum class FloatClass { kFinite, kInfinite, kNumber, kNotANumber, kNormal, kSubnormal };
template <FloatClass which, Floating T>
bool is_class(T a) {
  switch (which) {
    case FloatClass::kFinite: return std::isfinite(a);
    case FloatClass::kInfinite: return std::isinf(a);
    case FloatClass::kNumber: return !std::isnan(a);
    case FloatClass::kNotANumber: return std::isnan(a);
    case FloatClass::kNormal: return std::isnormal(a);
    default: return std::fpclassify(a) == FP_SUBNORMAL;
  }
}

}  // namespace softgpu
