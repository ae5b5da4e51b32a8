// A product is a grid of tasks: a panel of b by a block of rows of a. A task takes its panel in
// chunks of k that stay in the L1 cache, nibbles as they are, while all strips of a pass over them.
// Float sums are kept for all rows of the block from chunk to chunk.
#include "ops/gemm_w4a8.h"

#include <algorithm>

#include "core/cpu_isa.h"
#include "cpu/gemm_int8_rows.h"
#include "cpu/gemm_scratch.h"
#include "cpu/gemm_w4a8_run.h"

namespace halfword {
namespace {

constexpr int64_t kChunkK = 512;            // 16 KB of a panel
constexpr int64_t kNearBytes = 4096;        // that one strip asks ahead: measured
constexpr int64_t kBlockRows = 192;         // 48 KB of sums
constexpr int64_t kScratchA = 16 << 20;     // bytes of a that are packed at a time
constexpr int64_t kWorthAThread = 1 << 22;  // multiplications: some 20 us
static_assert(GemmW4A8Params::kExactK % kChunkK == 0);

const GemmW4A8Kernels& choose_kernels() {
  static constexpr IsaTable<const GemmW4A8Kernels*> kTable =
      HALFWORD_VNNI_TABLE(&gemm_w4a8_kernels);
#if defined(__x86_64__)
  if (current_isa() == Isa::kAvxVnni && !has_vex_vnni()) return gemm_w4a8_kernels_evex_avx512vnni;
#endif
  return *kTable.pick();
}

// A part of k that is multiplied at once: whole groups, or some columns of a part of one.
struct Chunk {
  int64_t begin;
  int64_t length;
  int64_t group;
  int64_t part;
  bool opens_part;
  bool closes_part;
};

// How k is cut.
class Cut {
 public:
  Cut(const Int4Matrix& b, int64_t longest)
      : k_(b.k),
        longest_(longest),
        group_(std::max<int64_t>(1, std::min(b.group, b.k))),
        parts_of_group_(ceil_div(group_, kExactK)) {}

  int64_t group() const { return group_; }
  int64_t part() const { return std::min(group_, kExactK); }  // columns
  int64_t parts() const { return ceil_div(k_, group_) * parts_of_group_; }
  bool cuts_parts() const { return part() > longest_; }

  Chunk chunk_at(int64_t begin) const {
    const int64_t group = begin / group_, in_group = begin % group_;
    Chunk chunk{.begin = begin,
                .length = 0,
                .group = group,
                .part = group * parts_of_group_ + in_group / kExactK,
                .opens_part = true,
                .closes_part = true};
    if (group_ <= longest_) {
      chunk.length = std::min(longest_ / group_ * group_, k_ - begin);
      return chunk;
    }
    const int64_t in_part = in_group % kExactK;
    const int64_t left = std::min({kExactK - in_part, group_ - in_group, k_ - begin});
    chunk.length = std::min(longest_, left);
    chunk.opens_part = in_part == 0;
    chunk.closes_part = chunk.length == left;
    return chunk;
  }

 private:
  static constexpr int64_t kExactK = GemmW4A8Params::kExactK;
  int64_t k_;
  int64_t longest_;
  int64_t group_;
  int64_t parts_of_group_;
};

class Product {
 public:
  explicit Product(const GemmW4A8Params& params)
      : p_(params),
        strips_{params.m},
        is_few_(params.m <= kernels_.few_rows),
        panels_at_once_(params.m == 1 ? kernels_.row_panels : 1),
        cut_(params.b, is_few_ ? GemmW4A8Params::kExactK : kChunkK),
        pitch_(ceil_div(params.b.k, kBlockK) * kBlockK),
        packed_(params.m * pitch_),
        start_(params.m * cut_.parts()),
        codes_({.data = params.a,
                .stride = params.a_stride,
                .rows = params.m,
                .k = params.b.k,
                .are_codes = params.a_is_codes,
                .dtype = params.a_dtype}) {
    static_cast<GemmOutput&>(finish_) = params;
    finish_.scale_a = codes_.scales_or(params.scale_a);
  }

  void run(ParallelFor parallel) {
    parallel_for(parallel, strips_.count, 1 + kWorthAThread / codes_.work_of_strip(),
                 [&](int64_t first, int64_t last) { pack_strips(first, last); });
    const int64_t blocks = ceil_div(p_.m, kBlockRows);
    const int64_t tasks = ceil_div(panels_, panels_at_once_) * blocks;
    const int64_t rows = std::max(kStripRows, p_.m / blocks);  // fewer are not cheaper to feed
    const int64_t work = rows * panels_at_once_ * kInt4Panel * (p_.b.k + kBlockK);
    parallel_for(parallel, tasks, 1 + kWorthAThread / work,
                 [&](int64_t first, int64_t last) { run_tasks(first, last, blocks); });
  }

 private:
  // A panel by strips of a, or several by one row.
  struct Task {
    int64_t panel;
    int64_t panels;
    int64_t first_strip;
    int64_t last_strip;
    int64_t first_row;
    int64_t rows;
  };

  // What a thread writes.
  struct Sums {
    Scratch<float> sum;
    Scratch<int32_t> acc;
  };

  void pack_strips(int64_t first, int64_t last) const {
    codes_.each_strip(strips_, first, last, [&](const int8_t* codes, int64_t stride, int64_t s) {
      pack(codes, stride, s);
    });
  }

  // From the rows of the strip.
  void pack(const int8_t* a, int64_t stride, int64_t strip) const {
    // Where a group is cut, each of them begins with a part of its own.
    const int64_t step = cut_.group() == cut_.part() ? p_.b.k : cut_.group();
    for (int64_t k = 0; k < p_.b.k; k += step) {
      kernels_.pack_strip({.a = a + k,
                           .row_stride = stride,
                           .rows = strips_.rows_of(strip),
                           .k = std::min(step, p_.b.k - k),
                           .part = cut_.part(),
                           .packed = strip_at(strip, k),
                           .start = start_at(strip, cut_.chunk_at(k).part)});
    }
  }

  int8_t* strip_at(int64_t strip, int64_t k) const {
    return packed_.data() + strips_.begin(strip) * pitch_ + k * strips_.rows_of(strip);
  }
  int32_t* start_at(int64_t strip, int64_t part) const {
    return start_.data() + strips_.begin(strip) * cut_.parts() + part * strips_.rows_of(strip);
  }

  void run_tasks(int64_t first, int64_t last, int64_t blocks) const {
    const int64_t rows = ceil_div(strips_.count, blocks) * kStripRows;
    const int64_t cells = rows * panels_at_once_ * kInt4Panel;
    const Sums sums{.sum = Scratch<float>(cells),
                    .acc = Scratch<int32_t>(cut_.cuts_parts() ? cells : 0)};
    for (int64_t t = first; t < last; ++t) {
      const int64_t block = t % blocks, panel = t / blocks * panels_at_once_;
      Task task{.panel = panel,
                .panels = std::min(panels_at_once_, panels_ - panel),
                .first_strip = block * strips_.count / blocks,
                .last_strip = (block + 1) * strips_.count / blocks,
                .first_row = 0,
                .rows = 0};
      task.first_row = strips_.begin(task.first_strip);
      task.rows = strips_.begin(task.last_strip) - task.first_row;
      run_task(task, sums);
    }
  }

  void run_task(const Task& task, const Sums& sums) const {
    std::fill_n(sums.sum.data(), task.panels * task.rows * kInt4Panel, 0.0f);
    for (int64_t begin = 0; begin < p_.b.k;) {
      const Chunk chunk = cut_.chunk_at(begin);
      begin += chunk.length;
      multiply(task, chunk, sums);
    }
    for (int64_t i = 0; i < task.panels; ++i) {
      for (int64_t s = task.first_strip; s < task.last_strip; ++s) {
        const int64_t column = (task.panel + i) * kInt4Panel;
        kernels_.int8->finish({.acc = nullptr,
                               .long_acc = sums.sum.data() + place(task, s) + i * kInt4Panel,
                               .rows = strips_.rows_of(s),
                               .columns = std::min(kInt4Panel, p_.n - column),
                               .b_sums = nullptr,
                               .params = &finish_,
                               .row = strips_.begin(s),
                               .column = column});
      }
    }
  }

  void multiply(const Task& task, const Chunk& chunk, const Sums& sums) const {
    const int64_t panel_bytes = int4_bytes(Int4Layout::kPanels, kInt4Panel, p_.b.k);
    const uint8_t* nibbles = p_.b.data + task.panel * panel_bytes + chunk.begin * (kInt4Panel / 2);
    const int64_t of_groups = (task.panel * p_.b.groups() + chunk.group) * kInt4Panel;
    const uint8_t* zero_point = p_.b.zero_point == nullptr ? nullptr : p_.b.zero_point + of_groups;
    const size_t size = element_size(p_.b.scale_dtype);
    // What comes next in memory comes next here. A few rows ask for it just before they need it;
    // more of them have the time to ask for the next chunk, in which the strips share.
    const int64_t strips = task.last_strip - task.first_strip;
    const int64_t bytes = chunk.length * (kInt4Panel / 2);
    const int64_t step = is_few_ ? 256 : strips == 1 ? 128 : 64;
    int64_t ahead = is_few_ ? kNearBytes : bytes;
    for (int64_t s = task.first_strip; s < task.last_strip; ++s) {
      const W4A8Tile tile{
          .a = strip_at(s, chunk.begin),
          .rows = strips_.rows_of(s),
          .b = nibbles,
          .k = chunk.length,
          .part = cut_.part(),
          .start = start_at(s, chunk.part),
          .scale = advance(p_.b.scale, of_groups, size),
          .offset = p_.b.offset == nullptr ? nullptr : advance(p_.b.offset, of_groups, size),
          .zero_point = zero_point,
          .scale_dtype = p_.b.scale_dtype,
          .acc = cut_.cuts_parts() ? sums.acc.data() + place(task, s) : nullptr,
          .opens = chunk.opens_part,
          .closes = chunk.closes_part,
          .sum = sums.sum.data() + place(task, s),
          .panels = task.panels,
          .panel_bytes = panel_bytes,
          .panel_scales = p_.b.groups() * kInt4Panel,
          .ahead = nibbles + ahead,
          .ahead_step = is_few_ || ahead < 2 * bytes ? step : 0};
      ahead += kernels_.passes * (chunk.length / kStepK) * step;
      kernels_.tile(tile);
    }
  }

  // Where the sums of a strip are.
  int64_t place(const Task& task, int64_t strip) const {
    return (strips_.begin(strip) - task.first_row) * kInt4Panel;
  }

  const GemmW4A8Params& p_;
  const GemmW4A8Kernels& kernels_ = choose_kernels();
  GemmInt8Params finish_{};
  int64_t panels_ = ceil_div(p_.n, kInt4Panel);
  Strips strips_;
  bool is_few_;
  int64_t panels_at_once_;
  Cut cut_;
  int64_t pitch_;
  Scratch<int8_t> packed_;
  Scratch<int32_t> start_;
  CodesOfA codes_;
};

// Rows [first, first + rows) of a product.
GemmW4A8Params rows_of(GemmW4A8Params p, int64_t first, int64_t rows) {
  take_rows(&p, first, rows);
  p.a = advance(p.a, first * p.a_stride, p.a_is_codes ? 1 : element_size(p.a_dtype));
  return p;
}

}  // namespace

void gemm_w4a8_cpu(const GemmW4A8Params& params, ParallelFor parallel) {
  if (params.n == 0) return;
  const int64_t rows = std::max(8 * kBlockRows, kScratchA / std::max<int64_t>(params.b.k, 1));
  for (int64_t first = 0; first < params.m; first += rows) {
    const GemmW4A8Params p = rows_of(params, first, std::min(rows, params.m - first));
    Product(p).run(parallel);
  }
}

}  // namespace halfword
