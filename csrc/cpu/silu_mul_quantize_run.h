// What the loops of all instruction sets have in common with their launcher.
#pragma once

#include <cstdint>

#include "ops/silu_mul_quantize.h"

namespace halfword {

// Rows [begin, end); y: a row of floats and what its last vector writes past its end, 16 at most.
using SiluMulQuantizeLoop = void (*)(const SiluMulQuantizeParams& params, int64_t begin,
                                     int64_t end, float* y);

SiluMulQuantizeLoop silu_mul_quantize_loop_portable(Dtype dtype);
SiluMulQuantizeLoop silu_mul_quantize_loop_avx2(Dtype dtype);
SiluMulQuantizeLoop silu_mul_quantize_loop_avx512(Dtype dtype);

}  // namespace halfword
