// One Adam step over a list of parameters: unscale, clip, update, and the 16-bit copy of the model,
// in one pass.
//
// For every element, in FP32, in this order (core/adam_math.h):
//
//   g = grad * inv_scale * clip;   g = -g if maximize
//   p -= (lr * weight_decay) * p   if decoupled (AdamW), otherwise   g += weight_decay * p   (L2)
//   m = fma(beta1, m, fma(-beta1, g, g))
//   v = fma(beta2, v, fma(-beta2, g * g, g * g))
//   p -= (lr / bias1) * m / (sqrt(v) * (1 / sqrt(bias2)) + eps)
//
// with bias = 1 - beta^t (or 1), t the tensor's step counter after it was incremented and beta as
// FP32 holds it, computed in double and rounded once; with amsgrad, max_exp_avg_sq =
// max(max_exp_avg_sq, v) stands in for v in the last line. p is the master where there is one; the
// parameter is then p rounded.
//
// If found_inf is there and not 0, nothing at all is written. Where a mask is 0, the parameter, its
// master and its moments become exactly 0.
//
// Rounding: parameters to nearest even, or, for bfloat16 without masters, stochastically if asked;
// remainder masters as core/dtype.h splits them; bfloat16 moments always stochastically (to
// nearest, v could never decay: a step of 1 - beta2 = 1e-3 is less than half an ulp). The random
// bits are Philox4x32-7(key = seed, counter = (element / 8, t, 4 * stream + purpose)), where the
// element counts in row-major order of the shape.
//
// Identical bits on every backend, whatever the layout, alignment and number of threads (NaN
// results: NaN everywhere, of unspecified payload).
//
// Bytes moved per element, 16-bit parameter and gradient, FP32 moments and masters: 14 read,
// 14 written.
#pragma once

#include <cstdint>

#include "core/adam_math.h"
#include "core/cuda.h"
#include "core/dtype.h"
#include "core/layout.h"
#include "core/parallel.h"
#include "core/tensor_table.h"

namespace halfword {

enum class Master : int32_t {
  kNone,       // the parameter is updated itself
  kFloat32,    // FP32; the parameter is its rounded copy
  kRemainder,  // 16 bits that complete a bfloat16 parameter to FP32
};

// The tensors that belong to one parameter; all of its shape.
struct AdamTensors {
  void* param;           // param_dtype
  const void* grad;      // grad_dtype
  void* exp_avg;         // moment_dtype
  void* exp_avg_sq;      // moment_dtype
  void* max_exp_avg_sq;  // moment_dtype; amsgrad only, else null
  void* master;          // float or int16_t, as `kind` says; null for kNone
  const uint8_t* mask;   // 0: pruned; null: nothing is
  float* step;           // one element: steps done so far. Tensors may share it
  int64_t numel;
  uint32_t stream;  // sets the random bits of one parameter apart from another's
  Dtype param_dtype;
  Dtype grad_dtype;
  Dtype moment_dtype;  // kFloat32 or kBFloat16
  Master kind;
  // Null when all are dense in the same order, which with stochastic rounding must be row-major.
  // Otherwise the strides of param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, master, mask, and of
  // the row-major element number, in this order (an absent tensor: as param).
  const Layout* layout;
};

constexpr int kAdamLayoutTensors = 8;

struct AdamStepParams {
  const AdamTensors* tensors;
  int64_t count;
  AdamHyper hyper;
  const float* lr_float;    // one element, in place of hyper.lr, or null
  const double* lr_double;  // likewise
  const float* inv_scale;   // one element, or null for 1
  const float* found_inf;   // one element, or null for 0
  const float* clip;        // one element, or null for 1
  bool stochastic_params;
  uint64_t seed;
};

void adam_step_cpu(const AdamStepParams& params, ParallelFor parallel);

// On CUDA all pointers are the device's, but for those to a Layout.
void adam_step_table(const AdamStepParams& params, TensorTable* table);
size_t adam_step_scratch_bytes(const AdamStepParams& params);
CudaStatus adam_step_cuda(const AdamStepParams& params, const TensorTable& table,
                          const CudaLaunch& launch);

}  // namespace halfword
