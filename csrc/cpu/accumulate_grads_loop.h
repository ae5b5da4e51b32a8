// The accumulation loop, written once for every instruction set and type.
// Include after one of the simd_*.h headers.
#pragma once

#include "cpu/accumulate_grads_run.h"
#include "cpu/elements.h"

namespace halfword {
namespace {

template <class Grad>
void accumulate_grads_loop(float* main, const void* grad, int64_t count, float alpha) {
  for (int64_t i = 0; i < count; i += kLanes) {
    Float32::store(main, i, fma(F32(alpha), Grad::load(grad, i), Float32::load(main, i)));
  }
}

HALFWORD_INLINE AccumulateGradsLoop select_accumulate_grads_loop(Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat32: return accumulate_grads_loop<Float32>;
    case Dtype::kBFloat16: return accumulate_grads_loop<BFloat16>;
    case Dtype::kFloat16: return accumulate_grads_loop<Float16>;
  }
  return nullptr;
}

}  // namespace
}  // namespace halfword
