// What the Hadamard loops of all instruction sets have in common with their launcher.
#pragma once

#include <cstdint>

#include "ops/hadamard.h"

namespace halfword {

// Transforms `count` elements, a multiple of the block and of 32. work: FP32 memory for a block.
using HadamardLoop = void (*)(const void* x, void* out, int64_t count, int64_t block, float factor,
                              float* work);

HadamardLoop hadamard_loop_portable(Dtype dtype);
HadamardLoop hadamard_loop_avx2(Dtype dtype);
HadamardLoop hadamard_loop_avx512(Dtype dtype);

}  // namespace halfword
