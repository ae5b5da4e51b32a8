#include "ops/absmax.h"

#include "core/cpu_isa.h"
#include "cpu/block_cells.h"

namespace halfword {

BlockRangesLoop choose_block_ranges(Dtype dtype) {
  static constexpr IsaTable<decltype(&block_ranges_portable)> kLoops =
      HALFWORD_ISA_TABLE(block_ranges);
  return kLoops.pick()(dtype);
}

void absmax_cpu(const AbsmaxParams& params, ParallelFor parallel) {
  const BlockMatrix matrix{params.x, params.row_stride, params.dtype, params.blocks};
  find_ranges(matrix, /*both_ends=*/false, parallel, [&](int64_t block, const BlockRange& range) {
    params.absmax[block] = word_float(range.largest);
  });
}

}  // namespace halfword
