// What the Adam loops of all instruction sets have in common with their launcher.
#pragma once

#include <cstdint>

#include "core/adam_math.h"
#include "ops/adam_step.h"

namespace halfword {

struct AdamRun;
using AdamLoop = void (*)(const AdamRun&);

// Consecutive elements of one parameter: pointers to the first, a count that is a multiple of
// kVectorMultiple, and all that is uniform over them.
struct AdamRun {
  AdamLoop loop;
  void* param;
  const void* grad;
  void* exp_avg;
  void* exp_avg_sq;
  void* max_exp_avg_sq;
  void* master;
  const uint8_t* mask;
  int64_t count;
  AdamCoefficients coefficients;

  bool stochastic_params;
  bool stream_params;  // write the model copy past the cache; param is 32-byte aligned then
  uint64_t seed;
  uint32_t step;
  uint32_t stream;
  int64_t first_element;    // row-major number of the first element, a multiple of kRandomBlock,
  const int64_t* elements;  // or, where these are not consecutive, the number of each
};

constexpr int64_t kRandomBlock = 128;  // random bits are made for so many elements at once

// The loop for a combination of types; one definition an instruction set.
AdamLoop adam_loop_portable(Dtype param, Master master, Dtype grad, Dtype moment);
AdamLoop adam_loop_avx2(Dtype param, Master master, Dtype grad, Dtype moment);
AdamLoop adam_loop_avx512(Dtype param, Master master, Dtype grad, Dtype moment);

}  // namespace halfword
