// A product is a grid of tasks: a panel of kTileColumns rows of b by a block of rows of a. A task
// takes its panel in chunks of k that stay in the L2 cache while all strips of a pass over them.
// Blocks come in groups that stay in the L3 cache while all panels pass.
// b that is not packed is packed a chunk at a time where enough rows of a share the work, or read
// as it lies.
#include "ops/gemm_int8.h"

#include <algorithm>

#include "core/cpu_isa.h"
#include "cpu/gemm_int8_rows.h"
#include "cpu/pack_int8_run.h"

namespace halfword {
namespace {

constexpr int64_t kChunkK = 4096;     // 256 KB of a panel
constexpr int64_t kBlockRows = 192;   // 48 KB of sums
constexpr int64_t kGroupA = 2 << 20;  // bytes of a in a group: half of a core's share of L3
constexpr int64_t kPackRows = 24;     // from here on packing a panel costs less than it saves
constexpr int64_t kBlockRowsThatPack = 4 * kBlockRows;  // share that work
// Bytes of a that are packed at a time. With as many as out has, malloc may give the pages of both
// back to the system after each call.
constexpr int64_t kScratchA = 8 << 20;
// Bytes of a panel that the prefetch of one strip is ahead. Measured: the more rows share a byte,
// the fewer bytes the processor sees ahead by itself.
constexpr int64_t kAheadFewRows = 2048, kAheadManyRows = 16384;
constexpr int64_t kFewRows = 2;
constexpr int64_t kWorthAThread = 1 << 22;  // multiplications: some 20 us
constexpr int64_t kWorthAnother = 1 << 20;  // of a thread that the product needs anyway

const GemmInt8Kernels& choose_kernels() {
  static constexpr IsaTable<const GemmInt8Kernels*> kTable =
      HALFWORD_VNNI_TABLE(&gemm_int8_kernels);
#if defined(__x86_64__)
  if (current_isa() == Isa::kAvxVnni && !has_vex_vnni()) return gemm_int8_kernels_evex_avx512vnni;
#endif
  return *kTable.pick();
}

PackInt8Loop choose_packing() {
  static constexpr IsaTable<PackInt8Loop> kLoops = HALFWORD_ISA_TABLE(pack_int8_loop);
  return kLoops.pick();
}

// The tasks in their order: group by group, in it panel by panel, for that block by block.
struct Grid {
  int64_t panels;
  int64_t groups;
  int64_t blocks;  // of a group

  int64_t all_blocks() const { return groups * blocks; }
  int64_t tasks() const { return panels * all_blocks(); }
  int64_t panel_of(int64_t task) const { return task / blocks % panels; }
  int64_t block_of(int64_t task) const { return task / (panels * blocks) * blocks + task % blocks; }
  bool ends_panel(int64_t task) const { return (task + 1) % blocks == 0; }
};

// The rows of b that are one panel, and the rows of a that meet it.
struct Task {
  int64_t column;  // the first row of b
  int64_t columns;
  int64_t first_strip;
  int64_t last_strip;
  bool panel_is_done;  // the next task takes another one
};

// A part of k that is multiplied at once.
struct Chunk {
  int64_t part;
  int64_t begin;
  int64_t length;
  bool opens_part;
  bool closes_part;
};

class Product {
 public:
  explicit Product(const GemmInt8Params& params)
      : p_(params),
        exact_k_(params.out_type == GemmOut::kInt32 ? std::max(params.k, kStripK)
                                                    : GemmInt8Params::kExactK),
        is_long_(params.k > exact_k_),
        sums_b_(params.zero_point_a != nullptr && (params.b_sums == nullptr || is_long_)),
        reading_(params.b_layout != Int8Layout::kRows ? Reading::kPacked
                 : params.m < kPackRows               ? Reading::kAsItLies
                                                      : Reading::kPackedHere),
        a_(kernels_, params.m, params.k, exact_k_),
        ones_(kernels_, sums_b_ ? 1 : 0, params.k, exact_k_),
        codes_({.data = params.a,
                .stride = params.a_stride,
                .rows = params.m,
                .k = params.k,
                .are_codes = !params.quantizes_a,
                .dtype = params.a_dtype}) {
    p_.scale_a = codes_.scales_or(params.scale_a);
  }

  void run(ParallelFor parallel) {
    parallel_for(parallel, a_.strips().count, 1 + kWorthAnother / codes_.work_of_strip(),
                 [&](int64_t first, int64_t last) { pack_strips(first, last); });
    if (sums_b_) pack_ones();
    const Grid grid = cut();
    const int64_t rows = p_.m / grid.all_blocks();
    const int64_t work = std::max(kStripRows, rows)  // fewer are not cheaper to feed
                         * kTileColumns * (p_.k + kStripK);
    parallel_for(parallel, grid.tasks(), 1 + kWorthAThread / work,
                 [&](int64_t first, int64_t last) { run_tasks(grid, first, last); });
  }

 private:
  enum class Reading { kPacked, kPackedHere, kAsItLies };

  // What a thread writes.
  struct Sums {
    Scratch<int32_t> acc;
    Scratch<uint8_t> panel;
    Scratch<int64_t> wide;
    Scratch<float> rounded;
    alignas(64) int32_t of_b[kTileColumns];
  };

  Grid cut() const {
    const int64_t block_rows = reading_ == Reading::kPackedHere ? kBlockRowsThatPack : kBlockRows;
    const int64_t group_rows = std::max(block_rows, kGroupA / a_.pitch());
    const int64_t groups = ceil_div(p_.m, group_rows);
    return {.panels = ceil_div(p_.n, kTileColumns),
            .groups = groups,
            .blocks = ceil_div(ceil_div(p_.m, groups), block_rows)};
  }

  void pack_strips(int64_t first, int64_t last) const {
    codes_.each_strip(
        a_.strips(), first, last,
        [&](const int8_t* codes, int64_t stride, int64_t s) { a_.pack(codes, stride, s); });
  }

  void pack_ones() {
    const Scratch<int8_t> row(std::max<int64_t>(p_.k, 1));
    std::fill_n(row.data(), p_.k, int8_t{1});
    ones_.pack(row.data(), 0, 0);
  }

  void run_tasks(const Grid& grid, int64_t first, int64_t last) const {
    const Strips& strips = a_.strips();
    const int64_t blocks = grid.all_blocks();
    const int64_t rows = ceil_div(strips.count, blocks) * kStripRows;
    const int64_t wide_rows = is_long_ ? rows : 0;
    const bool packs = reading_ == Reading::kPackedHere;
    Sums sums{.acc = Scratch<int32_t>(rows * kTileColumns),
              .panel = Scratch<uint8_t>(packs ? kTileColumns * kChunkK : 0),
              .wide = Scratch<int64_t>(wide_rows * kTileColumns),
              .rounded = Scratch<float>(wide_rows * kTileColumns),
              .of_b = {}};
    for (int64_t t = first; t < last; ++t) {
      const int64_t column = grid.panel_of(t) * kTileColumns, block = grid.block_of(t);
      run_task({.column = column,
                .columns = std::min(kTileColumns, p_.n - column),
                .first_strip = block * strips.count / blocks,
                .last_strip = (block + 1) * strips.count / blocks,
                .panel_is_done = grid.ends_panel(t)},
               sums);
    }
  }

  void run_task(const Task& task, Sums& sums) const {
    const int64_t k = std::max<int64_t>(p_.k, 1);
    for (int64_t part = 0; part * exact_k_ < k; ++part) {
      const int64_t begin = part * exact_k_, length = std::min(exact_k_, p_.k - begin);
      const int64_t chunks = std::max<int64_t>(1, ceil_div(length, kChunkK));
      const int64_t step = ceil_div(ceil_div(length, chunks), kStripK) * kStripK;
      for (int64_t c = 0; c < chunks; ++c) {
        run_chunk(task,
                  {.part = part,
                   .begin = begin + c * step,
                   .length = std::min(step, length - c * step),
                   .opens_part = c == 0,
                   .closes_part = c + 1 == chunks},
                  sums);
      }
      if (is_long_) widen(task, part, sums);
    }
    if (!is_long_) return;
    for (int64_t s = task.first_strip; s < task.last_strip; ++s) {
      finish(task, s, sums.rounded.data() + row_in_block(task, s) * kTileColumns, sums);
    }
  }

  void run_chunk(const Task& task, const Chunk& chunk, Sums& sums) const {
    if (reading_ == Reading::kAsItLies) {
      multiply_rows(task, chunk, sums);
    } else {
      multiply_panel(task, chunk, sums);
    }
  }

  void multiply_panel(const Task& task, const Chunk& chunk, Sums& sums) const {
    const int64_t width = panel_width(p_.n, task.column);
    const uint8_t* panel = sums.panel.data();
    const uint8_t* ahead = panel;
    if (reading_ == Reading::kPacked) {
      panel = reinterpret_cast<const uint8_t*>(p_.b) + panels_bytes(task.column, p_.k) +
              chunk.begin * width;
      // What comes next in memory comes next here.
      const bool goes_on = chunk.begin + chunk.length < p_.k || task.panel_is_done;
      ahead = panel + (goes_on ? chunk.length * width : 0);
    } else {
      choose_packing()({.b = p_.b + task.column * p_.b_stride + chunk.begin,
                        .row_stride = p_.b_stride,
                        .rows = task.columns,
                        .width = width,
                        .k = chunk.length,
                        .packed = sums.panel.data(),
                        .sums = nullptr});
    }
    // Spread over the strips, so that the memory is busy all the time: a step of k reads 256 bytes.
    const int64_t strips = task.last_strip - task.first_strip;
    const int64_t ahead_step = strips == 1 ? 256 : strips < 4 ? 128 : 64;
    const int64_t near = p_.m <= kFewRows ? kAheadFewRows : kAheadManyRows;
    const int64_t ahead_bytes = ceil_div(chunk.length, 4) * ahead_step;
    const auto tile = [&](const PackedA& a, int64_t strip, int32_t* acc) {
      const int64_t done = (strip - task.first_strip) * ahead_bytes;
      const bool asks = ahead != panel && done < chunk.length * width;
      kernels_.tile({.a = a.strip(strip, chunk.begin),
                     .rows = a.strips().rows_of(strip),
                     .b = panel,
                     .columns = width,
                     .k = chunk.length,
                     .start = chunk.opens_part ? a.start(strip, chunk.part) : nullptr,
                     .acc = acc,
                     .is_alone = strips == 1,
                     .ahead = asks ? (strips == 1 ? panel + near : ahead + done) : panel,
                     .ahead_step = asks ? ahead_step : 0});
    };
    if (sums_b_) tile(ones_, 0, sums.of_b);
    const bool finishes = chunk.closes_part && !is_long_;
    for (int64_t s = task.first_strip; s < task.last_strip; ++s) {
      if (finishes) prefetch_out(task, s);
      tile(a_, s, acc_of(task, s, sums));
      if (finishes) finish(task, s, nullptr, sums);
    }
  }

  // A few rows of b stay in the L1 cache while all strips pass.
  void multiply_rows(const Task& task, const Chunk& chunk, Sums& sums) const {
    for (int64_t c = 0; c < task.columns; c += kDotRows) {
      const auto dots = [&](const PackedA& a, int64_t strip, int32_t* acc) {
        kernels_.dots({.a = a.strip(strip, chunk.begin),
                       .rows = a.strips().rows_of(strip),
                       .b = p_.b + (task.column + c) * p_.b_stride + chunk.begin,
                       .b_stride = p_.b_stride,
                       .b_rows = std::min(kDotRows, task.columns - c),
                       .k = chunk.length,
                       .start = chunk.opens_part ? a.start(strip, chunk.part) : nullptr,
                       .acc = acc + c,
                       .ahead = strip == task.first_strip ? kDotRows * p_.b_stride : 0});
      };
      if (sums_b_) dots(ones_, 0, sums.of_b);
      for (int64_t s = task.first_strip; s < task.last_strip; ++s) {
        dots(a_, s, acc_of(task, s, sums));
      }
    }
    if (!chunk.closes_part || is_long_) return;
    for (int64_t s = task.first_strip; s < task.last_strip; ++s) finish(task, s, nullptr, sums);
  }

  // The rows of out lie far apart: their lines are on the way while the sums are made.
  void prefetch_out(const Task& task, int64_t strip) const {
    constexpr int64_t kLine = 64;
    const auto size = static_cast<int64_t>(element_size(p_.out_type));
    const int64_t first = a_.strips().begin(strip);
    for (int64_t m = first; m < first + a_.strips().rows_of(strip); ++m) {
      const char* row = advance(p_.out, m * p_.out_stride + task.column, size_t(size));
      for (int64_t i = 0; i < task.columns * size; i += kLine) __builtin_prefetch(row + i, 1);
    }
  }

  int64_t row_in_block(const Task& task, int64_t strip) const {
    return a_.strips().begin(strip) - a_.strips().begin(task.first_strip);
  }
  int32_t* acc_of(const Task& task, int64_t strip, const Sums& sums) const {
    return sums.acc.data() + row_in_block(task, strip) * kTileColumns;
  }

  void finish(const Task& task, int64_t strip, const float* rounded, Sums& sums) const {
    if (p_.zero_point_a != nullptr && !sums_b_) {
      std::copy_n(p_.b_sums + task.column, task.columns, sums.of_b);
    }
    kernels_.finish({.acc = acc_of(task, strip, sums),
                     .long_acc = rounded,
                     .rows = a_.strips().rows_of(strip),
                     .columns = task.columns,
                     .b_sums = sums.of_b,
                     .params = &p_,
                     .row = a_.strips().begin(strip),
                     .column = task.column});
  }

  // The sums of one part, exact in 32 bits, are added in 64.
  void widen(const Task& task, int64_t part, Sums& sums) const {
    const Strips& strips = a_.strips();
    const int64_t first = strips.begin(task.first_strip), last = strips.begin(task.last_strip);
    for (int64_t m = first; m < last; ++m) {
      const int64_t begin = (m - first) * kTileColumns;
      const int64_t zero =
          p_.zero_point_a == nullptr ? 0 : p_.zero_point_a[m * p_.zero_point_stride];
      for (int64_t c = 0; c < task.columns; ++c) {
        const int64_t sum = sums.acc.data()[begin + c] - zero * sums.of_b[c];
        int64_t& wide = sums.wide.data()[begin + c];
        wide = (part == 0 ? 0 : wide) + sum;
        sums.rounded.data()[begin + c] = static_cast<float>(wide);
      }
    }
  }

  GemmInt8Params p_;
  const GemmInt8Kernels& kernels_ = choose_kernels();
  int64_t exact_k_;
  bool is_long_;
  bool sums_b_;
  Reading reading_;
  PackedA a_;
  PackedA ones_;
  CodesOfA codes_;
};

// Rows [first, first + rows) of a product.
GemmInt8Params rows_of(GemmInt8Params p, int64_t first, int64_t rows) {
  take_rows(&p, first, rows);
  p.a = advance(p.a, first * p.a_stride, p.quantizes_a ? element_size(p.a_dtype) : 1);
  if (p.zero_point_a != nullptr) p.zero_point_a += first * p.zero_point_stride;
  return p;
}

}  // namespace

void gemm_int8_cpu(const GemmInt8Params& params, ParallelFor parallel) {
  if (params.n == 0) return;
  const int64_t most = std::max(kBlockRowsThatPack, kScratchA / std::max<int64_t>(params.k, 1));
  const int64_t parts = ceil_div(params.m, most);
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t first = part * params.m / parts, end = (part + 1) * params.m / parts;
    Product(rows_of(params, first, end - first)).run(parallel);
  }
}

}  // namespace halfword
