// What the quantizing loops of all instruction sets have in common with their launcher.
#pragma once

#include <cstdint>

#include "cpu/absmax_run.h"
#include "ops/quantize.h"

namespace halfword {

struct QuantizeRule {
  Mapping mapping;
  CodeRange range;
  const RandomStream* random;  // null: to nearest
  bool computed;               // the scales are those of the elements
};

struct QuantizeOut {
  int8_t* codes;         // of the whole matrix; null: values instead
  void* values;          // of fake_quantize, in the type of x
  int32_t* row_sums;     // the same, or null; what a cell has is added
  int64_t cols;          // of the matrix
  bool streams = false;  // codes go past the caches, where they are aligned
};

// The codes or values of a cell, whose blocks have scales[0], scales[1], ...
using QuantizeLoop = void (*)(const BlockCell& cell, const BlockScale* scales,
                              const QuantizeRule& rule, const QuantizeOut& out);

// All cells of a matrix by a loop.
void run_quantize_loop(const QuantizeParams& params, const QuantizeOut& out, QuantizeLoop loop,
                       ParallelFor parallel);

QuantizeLoop quantize_loop_portable(Dtype dtype);
QuantizeLoop quantize_loop_avx2(Dtype dtype);
QuantizeLoop quantize_loop_avx512(Dtype dtype);

QuantizeLoop choose_quantize_loop(Dtype dtype);  // for the instruction set in use

}  // namespace halfword
