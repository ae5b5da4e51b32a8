// Rows of real numbers as codes with a scale each, in scratch memory: what a product makes of them.
#pragma once

#include <cstdint>

#include "cuda/scratch_memory.h"
#include "ops/quantize.h"

namespace halfword {

class QuantizedRows {
 public:
  QuantizedRows() = default;
  QuantizedRows(const void* x, int64_t row_stride, Dtype dtype, int64_t rows, int64_t cols,
                ScratchMemory& memory) {
    params_.x = x;
    params_.row_stride = row_stride;
    params_.dtype = dtype;
    params_.blocks = {rows, cols, 1, cols};
    params_.mapping = Mapping::kSymmetric;
    params_.bits = 8;
    params_.codes = static_cast<int8_t*>(memory.take(rows * cols));
    params_.scale = static_cast<float*>(memory.take(rows * int64_t{sizeof(float)}));
    scratch_ = memory.take(static_cast<int64_t>(quantize_scratch_bytes(params_)));
  }

  bool exist() const { return params_.x != nullptr; }
  const int8_t* codes() const { return params_.codes; }  // [rows, cols]
  const float* scale() const { return params_.scale; }   // [rows]

  CudaStatus run(CudaStream stream) const {
    return exist() ? quantize_cuda(params_, scratch_, stream) : CudaStatus{};
  }

 private:
  QuantizeParams params_{};
  void* scratch_ = nullptr;
};

}  // namespace halfword
