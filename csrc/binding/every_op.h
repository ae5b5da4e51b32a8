// The ops, in one list, for what is declared or defined for each of them alike.
#pragma once

#include "ops/absmax.h"
#include "ops/accumulate_grads.h"
#include "ops/adam_step.h"
#include "ops/dequantize.h"
#include "ops/fake_quantize.h"
#include "ops/fake_quantize_backward.h"
#include "ops/gemm_int8.h"
#include "ops/gemm_w4a16.h"
#include "ops/gemm_w4a8.h"
#include "ops/hadamard.h"
#include "ops/histogram.h"
#include "ops/norm_quantize.h"
#include "ops/pack_int4.h"
#include "ops/pack_int8.h"
#include "ops/quantize.h"
#include "ops/quantize_dual.h"
#include "ops/requantize.h"
#include "ops/silu_mul_quantize.h"
#include "ops/unpack_int4.h"
#include "ops/unscale_check.h"
#include "ops/update_scale.h"

// X(Params, stem)
#define HALFWORD_EVERY_OP(X)                            \
  X(AbsmaxParams, absmax)                               \
  X(AccumulateGradsParams, accumulate_grads)            \
  X(AdamStepParams, adam_step)                          \
  X(DequantizeParams, dequantize)                       \
  X(FakeQuantizeParams, fake_quantize)                  \
  X(FakeQuantizeBackwardParams, fake_quantize_backward) \
  X(GemmInt8Params, gemm_int8)                          \
  X(GemmW4A8Params, gemm_w4a8)                          \
  X(GemmW4A16Params, gemm_w4a16)                        \
  X(HadamardParams, hadamard)                           \
  X(HistogramParams, histogram)                         \
  X(NormQuantizeParams, norm_quantize)                  \
  X(PackInt4Params, pack_int4)                          \
  X(PackInt8Params, pack_int8)                          \
  X(QuantizeParams, quantize)                           \
  X(QuantizeDualParams, quantize_dual)                  \
  X(RequantizeParams, requantize)                       \
  X(SiluMulQuantizeParams, silu_mul_quantize)           \
  X(UnpackInt4Params, unpack_int4)                      \
  X(UnscaleCheckParams, unscale_check)                  \
  X(UpdateScaleParams, update_scale)
