// The functions that follow a linear layer, written once.
//
// Over a vector type F and its words (see cpu/simd_portable.h for the vocabulary): IEEE operations
// in the order written, so that every backend has the same bits. The polynomials are minimax fits
// of the relative error, which stands beside them with the interval.
//
// The activations are NaN at NaN, inf at inf and 0 or -0 at -inf. The errors given are those of
// results that are normal numbers, the largest over one float in 61.
#pragma once

#include <cstdint>

#include "core/host_device.h"

namespace halfword {

enum class Activation : int32_t { kNone, kRelu, kGelu, kGeluTanh, kSilu };

// Where all activations have reached their limit: a factor no less than this keeps inf * 0 out.
constexpr float kFlatBelow = -100.0f;

// e^x of x <= 0, within 0.9 ulp; 0 below -87.68, where e^x is not a normal number.
//
//   x = n * log(2) + r,  e^x = 2^n * e^r
template <class F>
HALFWORD_INLINE F exponential(F x) {
  constexpr float kLog2E = 0x1.715476p+0f;
  constexpr float kLog2High = 0x1.62e43p-1f, kLog2Low = -0x1.05c61p-29f;
  constexpr float kShift = 0x1.8p23f;  // added to a number, it leaves an integer in the low bits
  x = maximum(F(-88.0f), x);           // n = -127, for which 2^n comes out as 0
  const F shifted = fma(x, F(kLog2E), F(kShift));
  const F n = shifted - F(kShift);
  const F r = fma(n, F(-kLog2Low), fma(n, F(-kLog2High), x));
  // e^r, |r| <= log(2) / 2; 2^-28.2
  F y = fma(F(0x1.6a4efp-10f), r, F(0x1.12397cp-7f));
  y = fma(y, r, F(0x1.5558aep-5f));
  y = fma(y, r, F(0x1.555492p-3f));
  y = fma(y, r, F(0x1.fffffcp-2f));
  y = fma(y, r, F(1.0f));
  y = fma(y, r, F(1.0f));
  // n stands in the low bits of shifted, and bits that do not belong to it are shifted out.
  return y * from_bits<F>((bits(shifted) + 127u) << 23);
}

// The normal distribution's mass below -t, t >= 0: erfc(t / sqrt(2)) / 2, within 6 ulp.
//
//   e^(-t^2 / 2) * m(t),  m(t) = over(t) / under(t)
template <class F>
HALFWORD_INLINE F normal_tail(F t) {
  t = minimum(F(14.0f), t);  // 0 from 13.25 on
  const F square = t * t;
  const F cut = fma(t, t, negate(square));  // left out, it would cost up to 44 ulp of e
  F e = exponential(F(-0.5f) * square);
  e = fma(F(-0.5f) * cut, e, e);
  // m, 0 <= t <= 13.3; 2^-26.9. All terms are positive, so that none cancels another.
  F over = fma(F(0x1.05a102p-8f), t, F(0x1.46121ep-5f));
  over = fma(over, t, F(0x1.723ea2p-3f));
  over = fma(over, t, F(0x1.bd70acp-2f));
  over = fma(over, t, F(0.5f));
  F under = fma(F(0x1.47e6p-7f), t, F(0x1.98b334p-4f));
  under = fma(under, t, F(0x1.da1b76p-2f));
  under = fma(under, t, F(0x1.313d68p+0f));
  under = fma(under, t, F(0x1.aafa84p+0f));
  under = fma(under, t, F(1.0f));
  return e * (over / under);
}

// x / (1 + e^-z), without an e^-z that overflows.
template <class F>
HALFWORD_INLINE F times_logistic(F x, F z) {
  const F e = exponential(negate(magnitude(z)));
  x = maximum(F(kFlatBelow), x);
  return select(is_less(z, F(0.0f)), x * e, x) / (F(1.0f) + e);
}

template <class F>
HALFWORD_INLINE F relu(F x) {
  return maximum(F(0.0f), x);
}

// x * (1 + erf(x / sqrt(2))) / 2, as x times the mass below x, for the sum cancels: within 6 ulp
// above -13, 9 above -13.15, where normal numbers end, and 2.2 above 0.5. -0 below -13.25.
template <class F>
HALFWORD_INLINE F gelu(F x) {
  const F tail = normal_tail(magnitude(x));
  x = maximum(F(kFlatBelow), x);
  return x * select(is_less(x, F(0.0f)), tail, F(1.0f) - tail);
}

// x * (1 + tanh(z / 2)) / 2,  z / 2 = sqrt(2 / pi) * (x + 0.044715 x^3): within 3 ulp, and 3 more
// for each unit of -z where z < 0, for e^z has the error of z. -0 below -10.02.
template <class F>
HALFWORD_INLINE F gelu_tanh(F x) {
  constexpr float kLinear = 0x1.988454p+0f, kCubic = 0x1.2444f2p-4f;
  return times_logistic(x, x * fma(x * x, F(kCubic), F(kLinear)));
}

// x / (1 + e^-x), within 3 ulp; -0 below -87.68.
template <class F>
HALFWORD_INLINE F silu(F x) {
  return times_logistic(x, x);
}

template <class F>
HALFWORD_INLINE F activate(F x, Activation which) {
  switch (which) {
    case Activation::kNone: return x;
    case Activation::kRelu: return relu(x);
    case Activation::kGelu: return gelu(x);
    case Activation::kGeluTanh: return gelu_tanh(x);
    case Activation::kSilu: return silu(x);
  }
  return x;
}

}  // namespace halfword
