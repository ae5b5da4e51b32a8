// How wide a GEMM may access what it writes and adds.
#pragma once

#include <cstdint>

#include "core/gemm_output.h"

namespace halfword {

inline bool all_rows_at(const void* data, int64_t stride_bytes, int64_t rows, int64_t alignment) {
  return reinterpret_cast<uintptr_t>(data) % alignment == 0 &&
         (rows <= 1 || stride_bytes % alignment == 0);
}

struct GemmPacks {
  bool out;       // all rows of out begin where a lane's access of up to 16 bytes may
  bool residual;  // and those of the residual where one of four elements may
};

inline GemmPacks packs_of(const GemmOutput& p) {
  const auto size = static_cast<int64_t>(element_size(p.out_type));
  const int64_t access = size == 1 ? 8 : 16;
  const auto of_residual = static_cast<int64_t>(element_size(p.residual_dtype));
  return {
      .out = all_rows_at(p.out, p.out_stride * size, p.m, access),
      .residual = all_rows_at(p.residual, p.residual_stride * of_residual, p.m, 4 * of_residual)};
}

}  // namespace halfword
