// What the requantization loops of all instruction sets have in common with their launcher.
#pragma once

#include <cstdint>

#include "ops/requantize.h"

namespace halfword {

// `count` consecutive sums of a row; multiplier and shift from their first column on.
struct RequantizeRun {
  const int32_t* acc;
  int64_t count;
  ColumnInt multiplier;
  ColumnInt shift;
  int64_t zero_point;
  int64_t lowest;
  int64_t highest;
  int8_t* codes;
};

using RequantizeLoop = void (*)(const RequantizeRun&);

void requantize_loop_portable(const RequantizeRun& run);
void requantize_loop_avx512(const RequantizeRun& run);
// AVX2 has no arithmetic shift of 64-bit integers, so that it has no advantage over a scalar one.
constexpr RequantizeLoop requantize_loop_avx2 = requantize_loop_portable;

}  // namespace halfword
