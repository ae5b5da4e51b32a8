// What the accumulation loops of all instruction sets have in common with their launcher.
#pragma once

#include <cstdint>

#include "ops/accumulate_grads.h"

namespace halfword {

// main[i] = fma(alpha, grad[i], main[i]) for a count that is a multiple of 16.
using AccumulateGradsLoop = void (*)(float* main, const void* grad, int64_t count, float alpha);

AccumulateGradsLoop accumulate_grads_loop_portable(Dtype dtype);
AccumulateGradsLoop accumulate_grads_loop_avx2(Dtype dtype);
AccumulateGradsLoop accumulate_grads_loop_avx512(Dtype dtype);

}  // namespace halfword
