// mma.sync: a warp's matrix product D = A * B + C, fragments in registers.
//
// Integer products are exact modulo 2^32, or clamped to 32 bits with `saturate`. Float products are
// exact and are summed in k order in FP32 (FP64 for f64), starting from C, and rounded once to the
// accumulator's type. Hardware sums in another order and truncates, so compare with a bound unless
// every partial sum is exact.
#pragma once

#include <cstdint>

#include "engine/element.h"
#include "engine/site.h"

namespace softgpu {

struct Thread;

struct MmaForm {
  uint16_t m;
  uint16_t n;
  uint16_t k;
  Element a;
  Element b;
  Element c;  // of C and of D: kS32, kF16, kF32 or kF64
  bool saturate = false;
};

// Registers as arrays in the order of the instruction's operands: 32-bit words, f64 as doubles.
// d may be the same memory as c.
void mma(Thread& self, const MmaForm& form, void* d, const void* a, const void* b, const void* c,
         Site at);

}  // namespace softgpu
