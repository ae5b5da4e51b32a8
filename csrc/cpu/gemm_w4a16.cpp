// A product is a grid of tasks: a panel of kTileColumns rows of b by a block of rows of a. All
// strips of a block pass over the panel, which stays in the L2 cache, or comes through it. One row
// meets as many panels at a time as its kernel likes.
#include "ops/gemm_w4a16.h"

#include <algorithm>

#include "core/cpu_isa.h"
#include "cpu/gemm_scratch.h"
#include "cpu/gemm_w4a16_run.h"

namespace halfword {
namespace {

constexpr int64_t kBlockRows = 192;
constexpr int64_t kScratchA = 16 << 20;     // bytes of a that are packed at a time
constexpr int64_t kWorthAThread = 1 << 21;  // multiplications: some 20 us

const GemmW4A16Kernels& choose_kernels(Dtype a) {
  static constexpr IsaTable<const GemmW4A16Kernels*> kTable =
      HALFWORD_ISA_TABLE(&gemm_w4a16_kernels);
#if defined(__x86_64__)
  if (current_isa() == Isa::kAvx512Bf16 && a == Dtype::kBFloat16) {
    return gemm_w4a16_kernels_avx512bf16;
  }
#endif
  return *kTable.pick();
}

class Product {
 public:
  explicit Product(const GemmW4A16Params& params)
      : p_(params),
        group_(std::max<int64_t>(std::min(params.b.group, params.b.k), 1)),
        groups_(ceil_div(params.b.k, group_)),
        pitch_(ceil_div(params.b.k, kStepK) * kStepK * kernels_.element_size),
        a_(params.m * pitch_),
        a_sums_(params.b.offset == nullptr ? 0 : params.m * groups_) {
    static_cast<GemmOutput&>(output_) = params;
  }

  void run(ParallelFor parallel) {
    parallel_for(parallel, strips_.count, 1 + kWorthAThread / (16 * kStripRows * (p_.b.k + 1)),
                 [&](int64_t first, int64_t last) {
                   for (int64_t s = first; s < last; ++s) pack(s);
                 });
    const int64_t blocks = ceil_div(p_.m, kBlockRows);
    const int64_t rows = std::max(kStripRows, p_.m / blocks);  // fewer are not cheaper to feed
    const int64_t work = rows * panels_at_once_ * kTileColumns * (p_.b.k + kTileColumns);
    parallel_for(parallel, ceil_div(panels_, panels_at_once_) * blocks, 1 + kWorthAThread / work,
                 [&](int64_t first, int64_t last) {
                   for (int64_t t = first; t < last; ++t) {
                     const int64_t block = t % blocks;
                     multiply(t / blocks * panels_at_once_, block * strips_.count / blocks,
                              (block + 1) * strips_.count / blocks);
                   }
                 });
  }

 private:
  void pack(int64_t strip) const {
    const int64_t row = strips_.begin(strip);
    kernels_.pack_strip({.a = advance(p_.a, row * p_.a_stride, element_size(p_.a_dtype)),
                         .dtype = p_.a_dtype,
                         .row_stride = p_.a_stride,
                         .rows = strips_.rows_of(strip),
                         .k = p_.b.k,
                         .group = group_,
                         .packed = a_.data() + row * pitch_,
                         .sums = a_sums(row)});
  }

  // The strips [first, last) by a panel, or one row by several.
  void multiply(int64_t panel, int64_t first, int64_t last) const {
    alignas(64) float sum[kStripRows * kTileColumns];
    const int64_t panels = std::min(panels_at_once_, panels_ - panel);
    const int64_t panel_scales = groups_ * kTileColumns, scales = panel * panel_scales;
    const auto of_panel = [&](const void* p) -> const void* {
      return p == nullptr ? nullptr : advance(p, scales, element_size(p_.b.scale_dtype));
    };
    const int64_t panel_bytes = int4_bytes(Int4Layout::kPanels, kTileColumns, p_.b.k);
    for (int64_t s = first; s < last; ++s) {
      const int64_t row = strips_.begin(s), rows = strips_.rows_of(s);
      prefetch_out(row, rows, panel, panels);
      kernels_.tile({.a = a_.data() + row * pitch_,
                     .rows = rows,
                     .b = p_.b.data + panel * panel_bytes,
                     .k = p_.b.k,
                     .group = group_,
                     .scale_dtype = p_.b.scale_dtype,
                     .scale = of_panel(p_.b.scale),
                     .zero_point = p_.b.zero_point == nullptr ? nullptr : p_.b.zero_point + scales,
                     .offset = of_panel(p_.b.offset),
                     .a_sums = a_sums(row),
                     .sum = sum,
                     .panels = panels,
                     .panel_bytes = panel_bytes,
                     .panel_scales = panel_scales});
      for (int64_t i = 0; i < panels; ++i) {
        const int64_t column = (panel + i) * kTileColumns;
        kernels_.finish({.acc = nullptr,
                         .long_acc = sum + i * kTileColumns,
                         .rows = rows,
                         .columns = std::min(kTileColumns, p_.n - column),
                         .b_sums = nullptr,
                         .params = &output_,
                         .row = row,
                         .column = column});
      }
    }
  }

  // The rows of out lie far apart: their lines are on the way while the sums are made.
  void prefetch_out(int64_t row, int64_t rows, int64_t panel, int64_t panels) const {
    constexpr int64_t kLine = 64;
    const int64_t column = panel * kTileColumns;
    const int64_t columns = std::min(panels * kTileColumns, p_.n - column);
    const auto size = static_cast<int64_t>(element_size(p_.out_type));
    for (int64_t m = row; m < row + rows; ++m) {
      const char* line = advance(p_.out, m * p_.out_stride + column, size_t(size));
      for (int64_t i = 0; i < columns * size; i += kLine) __builtin_prefetch(line + i, 1);
    }
  }

  // Of a strip that begins at this row.
  float* a_sums(int64_t row) const {
    return p_.b.offset == nullptr ? nullptr : a_sums_.data() + row * groups_;
  }

  const GemmW4A16Params& p_;
  const GemmW4A16Kernels& kernels_ = choose_kernels(p_.a_dtype);
  GemmInt8Params output_{};  // what finish looks at
  Strips strips_{p_.m};
  int64_t panels_ = ceil_div(p_.n, kTileColumns);
  int64_t panels_at_once_ = p_.m == 1 ? kernels_.row_panels : 1;
  int64_t group_;  // columns
  int64_t groups_;
  int64_t pitch_;  // bytes of a packed row
  Scratch<char> a_;
  Scratch<float> a_sums_;
};

}  // namespace

void gemm_w4a16_cpu(const GemmW4A16Params& params, ParallelFor parallel) {
  if (params.n == 0) return;
  const int64_t row_bytes = 4 * std::max<int64_t>(params.b.k, 1);
  const int64_t rows = std::max(8 * kBlockRows, kScratchA / row_bytes);
  for (int64_t first = 0; first < params.m; first += rows) {
    GemmW4A16Params p = params;
    p.a = advance(p.a, first * p.a_stride, element_size(p.a_dtype));
    take_rows(&p, first, std::min(rows, params.m - first));
    Product(p).run(parallel);
  }
}

}  // namespace halfword
