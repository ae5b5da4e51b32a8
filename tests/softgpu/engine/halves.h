// FP16 and BF16 instructions of PTX, on one value or on two in a word. Each result is rounded once,
// from the exact one. A NaN that arithmetic gives is 0x7fff.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "engine/floating.h"
#include "engine/small_float.h"

namespace softgpu {

struct Half {
  static constexpr const Format& kFormat = kF16;
  uint16_t bits;
};
struct BFloat {
  static constexpr const Format& kFormat = kBf16;
  uint16_t bits;
};
template <class H>
struct PairOf {
  using Element = H;
  uint32_t bits;
  H low() const { return {static_cast<uint16_t>(bits)}; }
  H high() const { return {static_cast<uint16_t>(bits >> 16)}; }
};
using Half2 = PairOf<Half>;
using BFloat2 = PairOf<BFloat>;

template <class T>
concept HalfFloat = std::is_same_v<T, Half> || std::is_same_v<T, BFloat>;

template <HalfFloat H>
PairOf<H> make_pair(H low, H high) {
  return {static_cast<uint32_t>(high.bits) << 16 | low.bits};
}

template <HalfFloat H>
double widen(H a) {
  return decode(H::kFormat, a.bits);
}
template <HalfFloat H>
H narrow(double x) {
  return {static_cast<uint16_t>(encode(H::kFormat, x, Rounding::kNearest, false))};
}

template <bool ftz, HalfFloat H>
H flush(H a) {
  const uint32_t exponent = a.bits & H::kFormat.infinity();
  return ftz && exponent == 0 ? H{static_cast<uint16_t>(a.bits & 0x8000)} : a;
}
template <bool ftz, bool sat, bool relu, HalfFloat H>
H finish(double x) {
  if (sat) x = saturate<true>(x);
  if (relu && x <= 0) x = 0;
  return flush<ftz>(narrow<H>(x));
}

// a + b, its last bit set if it is not exact: rounding it again to fewer bits is then rounding
// once.
inline double add_to_odd(double a, double b) {
  const double sum = a + b;
  const double of_b = sum - a;
  const double error = (a - (sum - of_b)) + (b - of_b);
  const uint64_t bits = std::bit_cast<uint64_t>(sum);
  if (error == 0 || error != error || (bits & 1)) return sum;
  return std::bit_cast<double>((error > 0) == (sum > 0) ? bits + 1 : bits - 1);
}

template <bool ftz, bool sat, HalfFloat H>
H add(H a, H b) {
  return finish<ftz, sat, false, H>(add_to_odd(widen(flush<ftz>(a)), widen(flush<ftz>(b))));
}
template <bool ftz, bool sat, HalfFloat H>
H subtract(H a, H b) {
  return finish<ftz, sat, false, H>(add_to_odd(widen(flush<ftz>(a)), -widen(flush<ftz>(b))));
}
template <bool ftz, bool sat, HalfFloat H>
H multiply(H a, H b) {
  return finish<ftz, sat, false, H>(widen(flush<ftz>(a)) * widen(flush<ftz>(b)));
}
template <bool ftz, bool sat, bool relu, HalfFloat H>
H fused(H a, H b, H c) {
  const double product = widen(flush<ftz>(a)) * widen(flush<ftz>(b));
  return finish<ftz, sat, relu, H>(add_to_odd(product, widen(flush<ftz>(c))));
}
template <bool ftz, HalfFloat H>
H negate(H a) {
  return flush<ftz>(H{static_cast<uint16_t>(a.bits ^ 0x8000)});
}
template <bool ftz, HalfFloat H>
H absolute(H a) {
  return flush<ftz>(H{static_cast<uint16_t>(a.bits & 0x7fff)});
}
template <bool ftz, bool nan, bool xor_sign, HalfFloat H>
H minimum(H a, H b) {
  return narrow<H>(minimum<false, nan, xor_sign>(widen(flush<ftz>(a)), widen(flush<ftz>(b))));
}
template <bool ftz, bool nan, bool xor_sign, HalfFloat H>
H maximum(H a, H b) {
  return narrow<H>(maximum<false, nan, xor_sign>(widen(flush<ftz>(a)), widen(flush<ftz>(b))));
}
template <bool ftz, HalfFloat H>
H approximate(H a, double (*function)(double)) {
  return finish<ftz, false, false, H>(function(widen(flush<ftz>(a))));
}

// The same on both halves of words.
template <bool ftz, bool sat, HalfFloat H>
PairOf<H> add(PairOf<H> a, PairOf<H> b) {
  return make_pair(add<ftz, sat>(a.low(), b.low()), add<ftz, sat>(a.high(), b.high()));
}
template <bool ftz, bool sat, HalfFloat H>
PairOf<H> subtract(PairOf<H> a, PairOf<H> b) {
  return make_pair(subtract<ftz, sat>(a.low(), b.low()), subtract<ftz, sat>(a.high(), b.high()));
}
template <bool ftz, bool sat, HalfFloat H>
PairOf<H> multiply(PairOf<H> a, PairOf<H> b) {
  return make_pair(multiply<ftz, sat>(a.low(), b.low()), multiply<ftz, sat>(a.high(), b.high()));
}
template <bool ftz, bool sat, bool relu, HalfFloat H>
PairOf<H> fused(PairOf<H> a, PairOf<H> b, PairOf<H> c) {
  return make_pair(fused<ftz, sat, relu>(a.low(), b.low(), c.low()),
                   fused<ftz, sat, relu>(a.high(), b.high(), c.high()));
}
template <bool ftz, HalfFloat H>
PairOf<H> negate(PairOf<H> a) {
  return make_pair(negate<ftz>(a.low()), negate<ftz>(a.high()));
}
template <bool ftz, HalfFloat H>
PairOf<H> absolute(PairOf<H> a) {
  return make_pair(absolute<ftz>(a.low()), absolute<ftz>(a.high()));
}
template <bool ftz, bool nan, bool xor_sign, HalfFloat H>
PairOf<H> minimum(PairOf<H> a, PairOf<H> b) {
  return make_pair(minimum<ftz, nan, xor_sign>(a.low(), b.low()),
                   minimum<ftz, nan, xor_sign>(a.high(), b.high()));
}
template <bool ftz, bool nan, bool xor_sign, HalfFloat H>
PairOf<H> maximum(PairOf<H> a, PairOf<H> b) {
  return make_pair(maximum<ftz, nan, xor_sign>(a.low(), b.low()),
                   maximum<ftz, nan, xor_sign>(a.high(), b.high()));
}
template <bool ftz, HalfFloat H>
PairOf<H> approximate(PairOf<H> a, double (*function)(double)) {
  return make_pair(approximate<ftz>(a.low(), function), approximate<ftz>(a.high(), function));
}

}  // namespace softgpu
