// Blocks that a core's cache holds are visited once: ranges, scales, codes. Others take two passes
// over the matrix, the second with the scales of the first.
#include "ops/quantize.h"

#include <atomic>

#include "core/cpu_isa.h"
#include "cpu/block_cells.h"
#include "cpu/quantize_run.h"

namespace halfword {

QuantizeLoop choose_quantize_loop(Dtype dtype) {
  static constexpr IsaTable<decltype(&quantize_loop_portable)> kLoops =
      HALFWORD_ISA_TABLE(quantize_loop);
  return kLoops.pick()(dtype);
}

namespace {

// Whether codes should go past the caches: x and they are more than those hold, so that whoever
// reads the codes fetches them in any case; and blocks are so large that the time goes into memory,
// not into scales.
bool worth_streaming(const QuantizeParams& p) {
  constexpr int64_t kBytes = 1 << 25;
  constexpr int64_t kBlock = 1 << 10;
  const Blocks& b = p.blocks;
  const auto element = static_cast<int64_t>(element_size(p.dtype)) + 1;
  return b.rows * b.cols > kBytes / element && b.block_cols > kBlock / b.block_rows;
}

class Quantizer {
 public:
  Quantizer(const QuantizeParams& params, const QuantizeOut& out, QuantizeLoop loop)
      : p_(params),
        matrix_{params.x, params.row_stride, params.dtype, params.blocks},
        rule_{params.mapping, code_range(params.mapping, params.bits), nullptr,
              params.given_scale == nullptr},
        out_(out),
        loop_(loop) {
    if (params.seed == nullptr) return;
    stream_ = quantize_random(static_cast<uint64_t>(*params.seed), kRowCodeBits);
    rule_.random = &stream_;
  }
  Quantizer(const Quantizer&) = delete;
  Quantizer& operator=(const Quantizer&) = delete;

  // Ranges, scales and codes of each cell of whole blocks.
  void visit_once(ParallelFor parallel) const {
    const BlockRangesLoop find = choose_block_ranges(p_.dtype);
    const BlockCells cells = BlockCells::of_blocks(p_.blocks, p_.dtype);
    for_cells(parallel, cells, [&](const BlockCell& cell, BlockRange* ranges, BlockScale* scales) {
      std::fill_n(ranges, cell.blocks(), BlockRange{});
      find(cell, affine(), ranges);
      for (int64_t b = 0; b < cell.blocks(); ++b) {
        scales[b] = finish_block(cell.first_block + b, ranges[b]);
      }
    });
  }

  void find_scales(ParallelFor parallel) const {
    find_ranges(matrix_, affine(), parallel,
                [&](int64_t block, const BlockRange& range) { finish_block(block, range); });
  }

  // Codes from scales that are there.
  void use_scales(const float* scale, const int32_t* zero_point, ParallelFor parallel) const {
    const BlockCells cells = BlockCells::of_parts(p_.blocks);
    for_cells(parallel, cells, [&](const BlockCell& cell, BlockRange*, BlockScale* scales) {
      for (int64_t b = 0; b < cell.blocks(); ++b) {
        const int64_t block = cell.first_block + b;
        const int32_t zero = zero_point == nullptr ? 0 : zero_point[block];
        scales[b] = given_scale(scale[block], static_cast<float>(zero));
      }
    });
  }

 private:
  bool affine() const { return p_.mapping == Mapping::kAffine; }

  BlockScale finish_block(int64_t block, const BlockRange& range) const {
    const BlockScale scale = compute_scale(range, p_.mapping, p_.bits);
    p_.scale[block] = scale.scale;
    if (p_.zero_point != nullptr) p_.zero_point[block] = static_cast<int32_t>(scale.zero_point);
    return scale;
  }

  // Quantizes each cell with the scales that fill_scales(cell, scratch, scales) says.
  template <class FillScales>
  void for_cells(ParallelFor parallel, const BlockCells& cells,
                 const FillScales& fill_scales) const {
    cells.parallel_for_each(parallel, [&](int64_t first, int64_t last) {
      std::vector<BlockRange> ranges(static_cast<size_t>(cells.most_blocks()));
      std::vector<BlockScale> scales(ranges.size());
      for (int64_t k = first; k < last; ++k) {
        const BlockCell cell = cells.cell(matrix_, k);
        if (cell.rows <= 0) continue;
        fill_scales(cell, ranges.data(), scales.data());
        loop_(cell, scales.data(), rule_, out_);
      }
      // Stores past the caches are in no order with others, but before this.
      if (out_.streams) std::atomic_thread_fence(std::memory_order_seq_cst);
    });
  }

  const QuantizeParams& p_;
  BlockMatrix matrix_;
  RandomStream stream_{};
  QuantizeRule rule_;
  QuantizeOut out_;
  QuantizeLoop loop_;
};

}  // namespace

void run_quantize_loop(const QuantizeParams& params, const QuantizeOut& out, QuantizeLoop loop,
                       ParallelFor parallel) {
  const Quantizer quantizer(params, out, loop);
  if (params.given_scale != nullptr) {
    quantizer.use_scales(params.given_scale, params.given_zero_point, parallel);
  } else if (BlockCells::blocks_fit_cache(params.blocks, params.dtype)) {
    quantizer.visit_once(parallel);
  } else {
    quantizer.find_scales(parallel);
    quantizer.use_scales(params.scale, params.zero_point, parallel);
  }
}

void quantize_cpu(const QuantizeParams& params, ParallelFor parallel) {
  if (params.row_sums != nullptr) std::fill_n(params.row_sums, params.blocks.rows, 0);
  const QuantizeOut out{params.codes, nullptr, params.row_sums, params.blocks.cols,
                        worth_streaming(params)};
  run_quantize_loop(params, out, choose_quantize_loop(params.dtype), parallel);
}

}  // namespace halfword
