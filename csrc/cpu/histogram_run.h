// What the counting loops of all instruction sets have in common with their launcher.
#pragma once

#include <cstdint>

#include "ops/histogram.h"

namespace halfword {

// Where a run of equal elements would wait for one count, it is spread over several tables.
constexpr int kHistogramTables = 4;

struct HistogramRun {
  float low;
  float width_inverse;
  float high;
  int64_t bins;
  bool absolute;
  int64_t* counts;       // each table has `bins` counts, and one more for what lies outside
  int64_t table_stride;  // counts from one table to the next; 0: they are the same one
};

// Counts elements; their number is a multiple of 16.
using HistogramLoop = void (*)(const HistogramRun& run, const void* x, int64_t count);

HistogramLoop histogram_loop_portable(Dtype dtype);
HistogramLoop histogram_loop_avx2(Dtype dtype);
HistogramLoop histogram_loop_avx512(Dtype dtype);

}  // namespace halfword
