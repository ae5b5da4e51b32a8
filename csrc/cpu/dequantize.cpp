// Runs of elements are shared out, whatever the blocks; a run is walked row by row.
#include "ops/dequantize.h"

#include <algorithm>

#include "core/cpu_isa.h"
#include "cpu/dequantize_run.h"
#include "cpu/gather.h"

namespace halfword {
namespace {

DequantizeLoop choose_loop(Dtype dtype) {
  static constexpr IsaTable<decltype(&dequantize_loop_portable)> kLoops =
      HALFWORD_ISA_TABLE(dequantize_loop);
  return kLoops.pick()(dtype);
}

}  // namespace

void dequantize_cpu(const DequantizeParams& params, ParallelFor parallel) {
  constexpr int64_t kWorthAThread = 1 << 15;  // elements, as in cpu/tiles.h
  const DequantizeLoop loop = choose_loop(params.dtype);
  const Blocks& blocks = params.blocks;
  parallel_for(parallel, blocks.rows * blocks.cols, kWorthAThread, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin / blocks.cols; row * blocks.cols < end; ++row) {
      const int64_t start = row * blocks.cols;
      const int64_t first_block = blocks.of(row, 0);
      loop({.codes = params.codes + start,
            .out = advance(params.out, start, element_size(params.dtype)),
            .begin = std::max<int64_t>(0, begin - start),
            .end = std::min(end - start, blocks.cols),
            .block_cols = blocks.block_cols,
            .scale = params.scale + first_block,
            .zero_point = params.zero_point == nullptr ? nullptr : params.zero_point + first_block,
            .log2 = params.mapping == Mapping::kLog2,
            .range = code_range(params.mapping, params.bits)});
    }
  });
}

}  // namespace halfword
