// What the norm loops of all instruction sets have in common with their launcher.
#pragma once

#include <cstdint>

#include "ops/norm_quantize.h"

namespace halfword {

// Floats of a row, and what the last vector of it writes past its end.
constexpr int64_t norm_row_floats(int64_t cols) { return (cols + 15) / 16 * 16; }

// Rows [begin, end); scratch: three times norm_row_floats.
using NormQuantizeLoop = void (*)(const NormQuantizeParams& params, int64_t begin, int64_t end,
                                  float* scratch);

NormQuantizeLoop norm_quantize_loop_portable(Dtype dtype);
NormQuantizeLoop norm_quantize_loop_avx2(Dtype dtype);
NormQuantizeLoop norm_quantize_loop_avx512(Dtype dtype);

}  // namespace halfword
