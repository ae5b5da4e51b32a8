// Add a list of gradients to FP32 main gradients.
//
//   main = fma(alpha, grad, main)
//
// Identical bits on every backend (NaN results: NaN everywhere, of unspecified payload). Bytes
// moved per element of a 16-bit gradient: 6 read, 4 written.
#pragma once

#include <cstdint>

#include "core/cuda.h"
#include "core/dtype.h"
#include "core/layout.h"
#include "core/parallel.h"
#include "core/tensor_table.h"

namespace halfword {

struct AccumulateGradsTensors {
  float* main;
  const void* grad;  // dtype, shape of main
  int64_t numel;
  Dtype dtype;
  const Layout* layout;  // strides of main, grad; null when both are dense in the same order
};

struct AccumulateGradsParams {
  const AccumulateGradsTensors* tensors;
  int64_t count;
  float alpha;
};

void accumulate_grads_cpu(const AccumulateGradsParams& params, ParallelFor parallel);

// On CUDA the pointers are the device's.
void accumulate_grads_table(const AccumulateGradsParams& params, TensorTable* table);
CudaStatus accumulate_grads_cuda(const AccumulateGradsParams& params, const TensorTable& table,
                                 const CudaLaunch& launch);

}  // namespace halfword
