// cvt: conversion between types.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "engine/halves.h"
#include "engine/integer.h"

namespace softgpu {

struct TFloat {
  uint32_t bits;
};
struct E4M3x2 {
  static constexpr const Format& kFormat = kE4m3;
  uint16_t bits;
};
struct E5M2x2 {
  static constexpr const Format& kFormat = kE5m2;
  uint16_t bits;
};

// Integers: the low bits, or clamped.
template <Integer To, bool sat, Integer From>
To convert_integer(From a) {
  if (!sat) return static_cast<To>(a);
  const auto wide = static_cast<SignedBits128>(a);
  const SignedBits128 least = std::numeric_limits<To>::min();
  const SignedBits128 most = std::numeric_limits<To>::max();
  return static_cast<To>(std::clamp(wide, least, most));
}

template <Floating T>
T integral(T x, Rounding rounding) {
  switch (rounding) {
    case Rounding::kZero: return std::trunc(x);
    case Rounding::kDown: return std::floor(x);
    case Rounding::kUp: return std::ceil(x);
    default: return std::nearbyint(x);
  }
}

// Numbers outside the integer type give its nearest one. NaN gives 0, and in 64 bits, from FP32
// and FP64, the one with the highest bit set only.
template <Integer To, Rounding rounding, bool ftz, class From>
To float_to_integer(From a) {
  double x;
  if constexpr (Floating<From>) {
    x = flush<ftz>(a);
  } else {
    x = widen(flush<ftz>(a));
  }
  if (x != x) {
    return sizeof(To) == 8 && Floating<From> ? static_cast<To>(uint64_t{1} << 63) : To{0};
  }
  x = integral(x, rounding);
  if (x <= static_cast<double>(std::numeric_limits<To>::min())) {
    return std::numeric_limits<To>::min();
  }
  // The limit itself rounds up when it has more bits than a double.
  if (x >= std::ldexp(1.0, std::numeric_limits<To>::digits)) return std::numeric_limits<To>::max();
  return static_cast<To>(x);
}

// As a double, with the last bit set if that is not exact (add_to_odd says why).
template <Integer T>
double to_odd_double(T a) {
  if constexpr (sizeof(T) < 8) {
    return static_cast<double>(a);
  } else {
    const bool negative = a < 0;
    uint64_t magnitude = negative ? 0 - static_cast<uint64_t>(a) : static_cast<uint64_t>(a);
    if (magnitude >> 53)
      magnitude = (magnitude & ~uint64_t{0x7ff}) | (magnitude & 0x7ff ? 0x800 : 0);
    const double x = static_cast<double>(magnitude);
    return negative ? -x : x;
  }
}

template <class To, Rounding rounding, bool sat, Integer From>
To integer_to_float(From a) {
  using Widest = std::conditional_t<std::is_signed_v<From>, int64_t, uint64_t>;
  if constexpr (std::is_same_v<To, float>) {
    return saturate<sat>(float_rounded(static_cast<Widest>(a), rounding));
  } else if constexpr (std::is_same_v<To, double>) {
    return saturate<sat>(double_rounded(static_cast<Widest>(a), rounding));
  } else {
    const double x = saturate<sat>(to_odd_double(a));
    return {static_cast<uint16_t>(encode(To::kFormat, x, rounding, false))};
  }
}

template <class T, Rounding rounding, bool ftz, bool sat>
T round_to_integral(T a) {
  if constexpr (Floating<T>) {
    return finish<ftz, sat>(integral(flush<ftz>(a), rounding));
  } else {
    return finish<ftz, sat, false, T>(integral(widen(flush<ftz>(a)), rounding));
  }
}

// Between float types. Only narrowing rounds.
template <class To, Rounding rounding, bool ftz, bool sat, bool relu = false, bool finite = false,
          class From>
To convert_float(From a) {
  double x;
  if constexpr (Floating<From>) {
    x = flush < ftz && sizeof(From) == 4 > (a);
  } else {
    x = widen(flush<false>(a));
  }
  if (sat) x = saturate<true>(x);
  if (relu && x <= 0) x = 0;
  if constexpr (std::is_same_v<To, double>) {
    return x;
  } else if constexpr (std::is_same_v<To, float>) {
    return flush<ftz>(canonical(float_rounded(x, rounding)));
  } else {
    return {static_cast<uint16_t>(encode(To::kFormat, x, rounding, finite))};
  }
}

template <Rounding rounding, bool relu, bool finite>
TFloat convert_tf32(float a) {
  if (relu && a <= 0) a = 0;
  if (a != a) return {0x7fffffffu};
  return {encode(kTf32, a, rounding, finite) << 13};
}

// Two floats: the first goes to the high half.
template <class To, Rounding rounding, bool relu, bool finite>
To convert_pair(float high, float low) {
  if constexpr (sizeof(To) == 4) {
    using H = typename To::Element;
    return make_pair(convert_float<H, rounding, false, false, relu, finite>(low),
                     convert_float<H, rounding, false, false, relu, finite>(high));
  } else {
    const auto code = [](float x) {
      return encode(To::kFormat, relu && x <= 0 ? 0 : x, rounding, finite);
    };
    return {static_cast<uint16_t>(code(high) << 8 | code(low))};
  }
}
template <class To, bool relu>
To narrow_pair(Half2 a) {
  return convert_pair<To, Rounding::kNearest, relu, true>(static_cast<float>(widen(a.high())),
                                                          static_cast<float>(widen(a.low())));
}
template <bool relu, class From>
Half2 widen_pair(From a) {
  const auto value = [](uint32_t code) {
    const double x = decode(From::kFormat, code & 0xff);
    return narrow<Half>(relu && x <= 0 ? 0 : x);
  };
  return make_pair(value(a.bits), value(a.bits >> 8));
}

// cvt.pack: clamps two integers and packs them below the low bits of c.
template <int bits, bool is_signed>
uint32_t pack_saturated(int32_t a, int32_t b, uint32_t c) {
  const int32_t least = is_signed ? -(1 << (bits - 1)) : 0;
  const int32_t most = is_signed ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
  const uint32_t mask = (1u << bits) - 1;
  const auto code = [&](int32_t x) {
    return static_cast<uint32_t>(std::clamp(x, least, most)) & mask;
  };
  return c << 2 * bits | code(a) << bits | code(b);
}
template <int bits, bool is_signed>
uint32_t pack_saturated(int32_t a, int32_t b) {
  return pack_saturated<bits, is_signed>(a, b, 0);
}

}  // namespace softgpu
