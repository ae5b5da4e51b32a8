// What the gradient loops of all instruction sets have in common with their launcher.
#pragma once

#include <cstdint>

#include "ops/fake_quantize_backward.h"

namespace halfword {

// What is the same for all elements.
struct BackwardRule {
  Dtype dtype;
  Mapping mapping;
  CodeRange range;
  const RandomStream* random;  // null: to nearest
};

// Consecutive elements of a row that share a scale: one piece of the contract.
struct BackwardPiece {
  const void* d_out;
  const void* x;
  void* d_x;
  int64_t count;
  int64_t element;  // number of the first one
  BlockScale scale;
};

struct BackwardSums {
  float scale;
  float zero_point;
};

// Columns that are each a block: all rows of them.
struct BackwardStrip {
  static constexpr int64_t kColumns = 64;

  const void* d_out;
  const void* x;
  void* d_x;
  int64_t rows;
  int64_t cols;    // of the strip, up to kColumns
  int64_t stride;  // of rows
  int64_t element;
  const float* scale;         // [cols]
  const int32_t* zero_point;  // [cols], or null: 0
  float* d_scale;             // [cols], or null
  float* d_zero_point;        // [cols], or null
};

struct BackwardLoops {
  BackwardSums (*piece)(const BackwardRule& rule, const BackwardPiece& piece);
  void (*strip)(const BackwardRule& rule, const BackwardStrip& strip);
};

BackwardLoops fake_quantize_backward_loops_portable(Dtype dtype);
BackwardLoops fake_quantize_backward_loops_avx2(Dtype dtype);
BackwardLoops fake_quantize_backward_loops_avx512(Dtype dtype);

}  // namespace halfword
