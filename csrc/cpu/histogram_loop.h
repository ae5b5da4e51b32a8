// The counting loop, written once for every instruction set and type.
// Include after one of the simd_*.h headers.
#pragma once

#include "core/histogram_math.h"
#include "cpu/elements.h"
#include "cpu/histogram_run.h"

namespace halfword {
namespace {

template <class Format>
void histogram_loop(const HistogramRun& run, const void* x, int64_t count) {
  constexpr int64_t kAtOnce = 16;
  uint32_t bins[kAtOnce];
  for (int64_t i = 0; i < count; i += kAtOnce) {
    for (int64_t j = 0; j < kAtOnce; j += kLanes) {
      F32 v = Format::load(x, i + j);
      if (run.absolute) v = magnitude(v);
      const F32 bin = histogram_bin(v, run.low, run.width_inverse, run.high, run.bins);
      store_words(bins + j, to_integer(bin));
    }
    for (int64_t j = 0; j < kAtOnce; ++j) {
      ++run.counts[j % kHistogramTables * run.table_stride + bins[j]];
    }
  }
}

HALFWORD_INLINE HistogramLoop select_histogram_loop(Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat32: return histogram_loop<Float32>;
    case Dtype::kBFloat16: return histogram_loop<BFloat16>;
    case Dtype::kFloat16: return histogram_loop<Float16>;
  }
  return nullptr;
}

}  // namespace
}  // namespace halfword
