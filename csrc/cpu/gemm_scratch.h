// What the launchers of all GEMMs share: memory for a call, and how rows of a are cut.
#pragma once

#include <cstdint>
#include <new>

#include "core/gemm_output.h"
#include "cpu/gather.h"
#include "cpu/gemm_int8_run.h"

namespace halfword {

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Memory that begins at a cache line, not initialized.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t count) {
    if (count == 0) return;
    const auto bytes = static_cast<size_t>(count) * sizeof(T);
    data_ = static_cast<T*>(::operator new(bytes, std::align_val_t(64)));
  }
  ~Scratch() { ::operator delete(data_, std::align_val_t(64)); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* data() const { return data_; }

 private:
  T* data_ = nullptr;
};

// `rows` rows in strips of at most kStripRows, as equal as can be.
struct Strips {
  int64_t rows;
  int64_t count = ceil_div(rows, kStripRows);
  int64_t begin(int64_t strip) const { return strip * rows / count; }
  int64_t rows_of(int64_t strip) const { return begin(strip + 1) - begin(strip); }
};

// What belongs to rows [first, first + rows) of a product.
inline void take_rows(GemmOutput* p, int64_t first, int64_t rows) {
  p->m = rows;
  if (p->scale_a.data != nullptr) p->scale_a.data += first * p->scale_a.stride;
  if (p->residual != nullptr) {
    p->residual = advance(p->residual, first * p->residual_stride, element_size(p->residual_dtype));
  }
  p->out = advance(p->out, first * p->out_stride, element_size(p->out_type));
}

}  // namespace halfword
