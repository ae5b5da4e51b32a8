// Adam, written once. F is a vector of FP32 (or one FP32): +, -, *, /, fma, sqrt, negate and
// exceeds(a, b) are its vocabulary, each one IEEE operation rounded to nearest.
#pragma once

#include <cstdint>

#include "core/host_device.h"

namespace halfword {

// Per launch: what the caller chose.
struct AdamHyper {
  double lr;
  double beta1;
  double beta2;
  double eps;
  double weight_decay;
  bool decoupled;  // AdamW: decay the weight; otherwise L2: add it to the gradient
  bool maximize;
  bool bias_correction;
  bool amsgrad;
};

// Per tensor and step: what the element loop multiplies by.
struct AdamCoefficients {
  float inv_scale;  // 1 / loss scale
  float clip;       // gradient clipping factor
  float beta1;
  float beta2;
  float eps;
  float decay;       // decoupled: lr * weight_decay; otherwise weight_decay
  float step_size;   // lr / bias1
  float root_scale;  // 1 / sqrt(bias2): a product costs less than a quotient and errs no more
  bool decoupled;
  bool maximize;
  bool amsgrad;
};

// beta^t by repeated squaring: the same double on every machine, which libm's pow is not.
HALFWORD_INLINE double beta_power(double beta, uint32_t t) {
  double result = 1.0;
  for (double square = beta; t != 0; t >>= 1, square *= square) {
    if (t & 1) result *= square;
  }
  return result;
}

// The coefficients of step t = 1, 2, ...; computed in double, each rounded once. The biases are
// those of the betas that the moments use, which are FP32: with 0.999 itself, a relative 1.3e-5 of
// the second moment would stay uncorrected in the first steps. `root` is the IEEE double square
// root of the backend.
template <class Root>
HALFWORD_INLINE AdamCoefficients adam_coefficients(const AdamHyper& hyper, uint32_t t,
                                                   float inv_scale, float clip, Root root) {
  AdamCoefficients c;
  c.inv_scale = inv_scale;
  c.clip = clip;
  c.beta1 = static_cast<float>(hyper.beta1);
  c.beta2 = static_cast<float>(hyper.beta2);
  const double bias1 = hyper.bias_correction ? 1.0 - beta_power(c.beta1, t) : 1.0;
  const double bias2 = hyper.bias_correction ? 1.0 - beta_power(c.beta2, t) : 1.0;
  const double decay = hyper.decoupled ? hyper.lr * hyper.weight_decay : hyper.weight_decay;
  c.eps = static_cast<float>(hyper.eps);
  c.decay = static_cast<float>(decay);
  c.step_size = static_cast<float>(hyper.lr / bias1);
  c.root_scale = static_cast<float>(1.0 / root(bias2));
  c.decoupled = hyper.decoupled;
  c.maximize = hyper.maximize;
  c.amsgrad = hyper.amsgrad;
  return c;
}

template <class F>
struct AdamState {
  F p;      // the FP32 weight
  F m;      // exp_avg
  F v;      // exp_avg_sq
  F v_max;  // max_exp_avg_sq; unused without amsgrad
};

template <class F>
HALFWORD_INLINE void adam_update(AdamState<F>& s, F g, const AdamCoefficients& c) {
  g = g * F(c.inv_scale) * F(c.clip);
  if (c.maximize) g = negate(g);

  if (c.decoupled) {
    s.p = s.p - F(c.decay) * s.p;
  } else {
    g = g + F(c.decay) * s.p;
  }

  const F gg = g * g;
  s.m = fma(F(c.beta1), s.m, fma(F(-c.beta1), g, g));
  s.v = fma(F(c.beta2), s.v, fma(F(-c.beta2), gg, gg));

  F second = s.v;
  if (c.amsgrad) {
    s.v_max = select(exceeds(s.v, s.v_max), s.v, s.v_max);  // a NaN in v exceeds
    second = s.v_max;
  }
  const F denominator = sqrt(second) * F(c.root_scale) + F(c.eps);
  s.p = s.p - F(c.step_size) * s.m / denominator;
}

}  // namespace halfword
