// What an element of a fake-quantized matrix becomes, and its gradients, written once.
#pragma once

#include "core/quantize_math.h"

namespace halfword {

// d_x of an element, and what its d_out is multiplied by in d_scale and d_zero_point.
template <class F>
struct FakeGradient {
  F d_x;
  F scale_factor;
  F zero_point_factor;
};

// `code` is the one of x. An element's t = x * inv is clamped if it lies outside the range rounded,
// or as it is where the code was rounded stochastically. The least and the largest t that are not
// are those that clamping gives, so that code - zero_point is the r of both cases.
template <class F>
HALFWORD_INLINE FakeGradient<F> linear_gradient(F d_out, F x, F code, F scale, F inv, F zero_point,
                                                CodeRange codes, bool stochastic) {
  const F zero(0.0f);
  F t = x * inv;
  t = select(is_nan(t), zero, t);
  const F place = stochastic ? t : round_even(t);
  const F nearest = clamp_to_codes(place, zero_point, codes);
  const auto clamped = is_less(zero, magnitude(place - nearest));
  return {select(clamped, zero, d_out), (code - zero_point) - select(clamped, zero, t),
          select(clamped, zero - scale, zero)};
}

template <class F>
HALFWORD_INLINE F log2_gradient(F d_out, F x, F inv) {
  constexpr float kRootOfTwo = 0x1.6a09e6p0f;  // the largest float below it, whose code is Q
  return select(is_less(F(kRootOfTwo), magnitude(x * inv)), F(0.0f), d_out);
}

}  // namespace halfword
