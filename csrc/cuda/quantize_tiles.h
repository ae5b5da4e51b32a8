// The part of quantize for blocks of elements that a block of threads does not hold.
#pragma once

#include <cstddef>

#include "core/cuda.h"
#include "ops/quantize.h"

namespace halfword {

// Ranges of blocks of any shape and their scales; and then the codes by these, or by given ones.
size_t quantize_tiles_scratch_bytes(const QuantizeParams& params);
CudaStatus quantize_scales_cuda(const QuantizeParams& params, void* scratch, CudaStream stream);
CudaStatus quantize_tiles_cuda(const QuantizeParams& params, void* scratch, CudaStream stream);

}  // namespace halfword
