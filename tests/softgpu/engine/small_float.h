// Floating-point formats of up to 16 bits, and TF32, as codes.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "engine/rounding.h"

namespace softgpu {

struct Format {
  int mantissa_bits;
  int exponent_bits;
  bool has_infinity;
  uint32_t nan;  // what conversions and arithmetic give

  constexpr int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  constexpr uint32_t sign() const { return 1u << (mantissa_bits + exponent_bits); }
  constexpr uint32_t infinity() const { return sign() - (1u << mantissa_bits); }
  constexpr uint32_t largest() const { return has_infinity ? infinity() - 1 : sign() - 2; }
};
constexpr Format kF16{10, 5, true, 0x7fff};
constexpr Format kBf16{7, 8, true, 0x7fff};
constexpr Format kTf32{10, 8, true, 0x3ffff};
constexpr Format kE4m3{3, 4, false, 0x7f};
constexpr Format kE5m2{2, 5, true, 0x7f};

// A value that is not negative, rounded to an integer as if it had the sign.
inline double round_magnitude(double x, bool negative, Rounding rounding) {
  switch (rounding) {
    case Rounding::kNearest: return std::nearbyint(x);
    case Rounding::kNearestAway: return std::floor(x + 0.5);
    case Rounding::kDown: return negative ? std::ceil(x) : std::floor(x);
    case Rounding::kUp: return negative ? std::floor(x) : std::ceil(x);
    default: return std::floor(x);
  }
}

// Rounds once. Past the largest number: that number if `finite`, or if the mode rounds towards it,
// and infinity otherwise.
inline uint32_t encode(const Format& format, double x, Rounding rounding, bool finite) {
  if (std::isnan(x)) return format.nan;
  const bool negative = std::signbit(x);
  const uint32_t sign = negative ? format.sign() : 0;
  const double magnitude = std::fabs(x);
  if (std::isinf(x)) return sign | (finite ? format.largest() : format.infinity());
  if (magnitude == 0) return sign;
  // No format has exponents past bias + 1, so that anything greater rounds as this does.
  const int exponent = std::clamp(std::ilogb(magnitude), 1 - format.bias(), format.bias() + 2);
  const double one = std::ldexp(1.0, format.mantissa_bits);
  const double units = std::min(std::ldexp(magnitude, format.mantissa_bits - exponent), 2 * one);
  const double whole = round_magnitude(units, negative, rounding);
  const uint32_t code =
      static_cast<uint32_t>(whole) +
      (static_cast<uint32_t>(exponent + format.bias() - 1) << format.mantissa_bits);
  if (code <= format.largest()) return sign | code;
  const bool away = rounding == Rounding::kNearest || rounding == Rounding::kNearestAway ||
                    rounding == (negative ? Rounding::kDown : Rounding::kUp);
  return sign | (finite || !away ? format.largest() : format.infinity());
}

inline double decode(const Format& format, uint32_t code) {
  const uint32_t magnitude = code & (format.sign() - 1);
  const double sign = code & format.sign() ? -1 : 1;
  if (magnitude > format.largest()) {
    return format.has_infinity && magnitude == format.infinity() ? sign * HUGE_VAL : sign * NAN;
  }
  const uint32_t exponent = magnitude >> format.mantissa_bits;
  const uint32_t mantissa = magnitude & ((1u << format.mantissa_bits) - 1);
  const uint32_t whole = exponent == 0 ? mantissa : mantissa | 1u << format.mantissa_bits;
  const int scale = static_cast<int>(std::max(exponent, 1u)) - format.bias() - format.mantissa_bits;
  return sign * std::ldexp(static_cast<double>(whole), scale);
}

}  // namespace softgpu
