// A tensor map's box as rows of its innermost dimension: where each lies in global memory, what of
// it is inside the tensor, and where it lies in shared memory.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/memory.h"
#include "engine/site.h"
#include "engine/tensor_map.h"
#include "engine/tma.h"

namespace softgpu {

struct TensorRow {
  char* memory;    // of the first element inside the tensor
  uint32_t begin;  // bytes of the row [begin, end) are inside the tensor
  uint32_t end;
};

struct TensorRows {
  TensorMap map;
  std::vector<TensorRow> rows;
  uint32_t row_bytes = 0;
  uint32_t bytes() const { return row_bytes * static_cast<uint32_t>(rows.size()); }
};

// Reads the tensor map and checks every row against global memory, as used.
TensorRows tensor_rows(Thread& self, const TensorBox& box, Use use, const char* instruction,
                       Site at);

// Between the box in shared memory at arena + offset (swizzled) and a dense copy of it.
void scatter_box(const TensorRows& box, const char* dense, char* arena, uint32_t offset);
void gather_box(const TensorRows& box, const char* arena, uint32_t offset, char* dense);
// The box's elements, with the fill value for those outside the tensor.
std::vector<char> read_box(const TensorRows& box);

}  // namespace softgpu
