// Pieces go to the loop one by one, and leave their sums to be added at the end in the order of the
// contract, whoever made them. Columns that are each a block go there in strips, which add their
// own.
#include "ops/fake_quantize_backward.h"

#include <algorithm>
#include <vector>

#include "core/cpu_isa.h"
#include "cpu/fake_quantize_backward_run.h"
#include "cpu/gather.h"

namespace halfword {
namespace {

constexpr int kLanes = FakeQuantizeBackwardParams::kLanes;
constexpr int64_t kPiece = FakeQuantizeBackwardParams::kPiece;
constexpr int64_t kWorthAThread = 1 << 15;  // elements: some 10 us of work

BackwardLoops choose_loops(Dtype dtype) {
  static constexpr IsaTable<decltype(&fake_quantize_backward_loops_portable)> kLoops =
      HALFWORD_ISA_TABLE(fake_quantize_backward_loops);
  return kLoops.pick()(dtype);
}

BlockScale scale_of(const FakeQuantizeBackwardParams& p, int64_t block) {
  return given_scale(p.scale[block],
                     p.zero_point == nullptr ? 0.0f : static_cast<float>(p.zero_point[block]));
}

class BackwardLauncher {
 public:
  BackwardLauncher(const FakeQuantizeBackwardParams& p, const BackwardRule& rule)
      : p_(p), rule_(rule), loops_(choose_loops(p.dtype)), size_(element_size(p.dtype)) {}

  void run_strips(ParallelFor parallel) const {
    const int64_t across = (p_.blocks.cols + BackwardStrip::kColumns - 1) / BackwardStrip::kColumns;
    const int64_t grain = kWorthAThread / (p_.blocks.block_rows * BackwardStrip::kColumns) + 1;
    parallel_for(parallel, p_.blocks.down() * across, grain, [&](int64_t first, int64_t last) {
      for (int64_t k = first; k < last; ++k) run_strip(k / across, k % across);
    });
  }

  // The pieces of row i are numbers i * row_pieces() ... in the order of their columns.
  void run_pieces(ParallelFor parallel) const {
    const int64_t pieces = p_.blocks.rows * row_pieces();
    std::vector<float> scale_sums(p_.d_scale == nullptr ? 0 : pieces);
    std::vector<float> zero_point_sums(p_.d_zero_point == nullptr ? 0 : pieces);
    const int64_t grain = kWorthAThread / std::min(kPiece, p_.blocks.block_cols) + 1;
    parallel_for(parallel, pieces, grain, [&](int64_t first, int64_t last) {
      for (int64_t k = first; k < last; ++k) {
        const BackwardSums sums = run_piece(k / row_pieces(), k % row_pieces());
        if (!scale_sums.empty()) scale_sums[k] = sums.scale;
        if (!zero_point_sums.empty()) zero_point_sums[k] = sums.zero_point;
      }
    });
    add_pieces(scale_sums, p_.d_scale, parallel);
    add_pieces(zero_point_sums, p_.d_zero_point, parallel);
  }

 private:
  int64_t row_pieces() const { return p_.blocks.across() * p_.pieces_of_row(); }

  void run_strip(int64_t band, int64_t across) const {
    const int64_t row = band * p_.blocks.block_rows;
    const int64_t col = across * BackwardStrip::kColumns;
    const int64_t element = row * p_.blocks.cols + col;
    const int64_t block = p_.blocks.of(row, col);
    const auto at = [&](auto* p) { return p == nullptr ? nullptr : p + block; };
    loops_.strip(
        rule_,
        {advance(p_.d_out, element, size_), advance(p_.x, element, size_),
         advance(p_.d_x, element, size_), std::min(p_.blocks.block_rows, p_.blocks.rows - row),
         std::min(BackwardStrip::kColumns, p_.blocks.cols - col), p_.blocks.cols, element,
         at(p_.scale), at(p_.zero_point), at(p_.d_scale), at(p_.d_zero_point)});
  }

  // Of a row's piece; of one past its last block's end, nothing.
  BackwardSums run_piece(int64_t row, int64_t piece) const {
    const int64_t block_col = piece / p_.pieces_of_row() * p_.blocks.block_cols;
    const int64_t col = block_col + piece % p_.pieces_of_row() * kPiece;
    const int64_t end = std::min({col + kPiece, block_col + p_.blocks.block_cols, p_.blocks.cols});
    if (col >= end) return {0.0f, 0.0f};
    const int64_t element = row * p_.blocks.cols + col;
    return loops_.piece(rule_, {advance(p_.d_out, element, size_), advance(p_.x, element, size_),
                                advance(p_.d_x, element, size_), end - col, element,
                                scale_of(p_, p_.blocks.of(row, col))});
  }

  void add_pieces(const std::vector<float>& sums, float* out, ParallelFor parallel) const {
    if (out == nullptr) return;
    const int64_t mine = p_.pieces_of_row();
    parallel_for(parallel, p_.blocks.count(), kWorthAThread, [&](int64_t first, int64_t last) {
      for (int64_t block = first; block < last; ++block) {
        const int64_t row = block / p_.blocks.across() * p_.blocks.block_rows;
        const int64_t rows = std::min(p_.blocks.block_rows, p_.blocks.rows - row);
        const float* front = &sums[row * row_pieces() + block % p_.blocks.across() * mine];
        double lanes[kLanes] = {};
        for (int64_t k = 0; k < rows * mine; ++k) {
          lanes[k % kLanes] += static_cast<double>(front[k / mine * row_pieces() + k % mine]);
        }
        for (int half = kLanes / 2; half > 0; half /= 2) {
          for (int l = 0; l < half; ++l) lanes[l] += lanes[l + half];
        }
        out[block] = static_cast<float>(lanes[0]);
      }
    });
  }

  const FakeQuantizeBackwardParams& p_;
  const BackwardRule& rule_;
  BackwardLoops loops_;
  size_t size_;
};

}  // namespace

void fake_quantize_backward_cpu(const FakeQuantizeBackwardParams& params, ParallelFor parallel) {
  RandomStream random{};
  if (params.seed != nullptr) {
    random = quantize_random(static_cast<uint64_t>(*params.seed), kRowCodeBits);
  }
  const BackwardRule rule{params.dtype, params.mapping, code_range(params.mapping, params.bits),
                          params.seed == nullptr ? nullptr : &random};
  const BackwardLauncher launcher(params, rule);
  if (params.blocks.block_cols == 1) {
    launcher.run_strips(parallel);
  } else {
    launcher.run_pieces(parallel);
  }
}

}  // namespace halfword
