// Scales and offsets of any type as FP32. Include after one of the simd_*.h headers.
#pragma once

#include "core/dtype.h"
#include "cpu/elements.h"

namespace halfword {
namespace {

// kLanes values from p[i] on.
HALFWORD_INLINE F32 load_scales(const void* p, Dtype dtype, int64_t i) {
  switch (dtype) {
    case Dtype::kFloat32: break;
    case Dtype::kBFloat16: return BFloat16::load(p, i);
    case Dtype::kFloat16: return Float16::load(p, i);
  }
  return Float32::load(p, i);
}

}  // namespace
}  // namespace halfword
