// Where a wgmma operand lies in shared memory: matrix descriptors.
//
// Operands are made of 16-byte chunks. K-major: a chunk is part of one row of A (one column of B),
// along k. MN-major (16-bit elements only): a chunk is eight rows at one k.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/element.h"
#include "engine/site.h"

namespace softgpu {

struct Thread;

struct WgmmaOperand {
  Element element;
  uint32_t rows;  // of A, or columns of B
  uint32_t k;
  bool transposed;  // MN-major
  uint64_t descriptor;
};

struct OperandChunk {
  uint32_t address;  // in shared memory, before bounds are checked
  uint32_t row;      // of its first element
  uint32_t k;        // likewise
};

// All chunks of an operand, K-major ones by row.
std::vector<OperandChunk> chunks_of(const WgmmaOperand& operand, Site at);

}  // namespace softgpu
