// A region of whole blocks that fits a cache is read once: ranges, scales, codes, region by region.
// Where blocks are larger the matrix is scanned first, strip by strip, and quantized then. What is
// read next is prefetched meanwhile, and codes of a large matrix are stored past the caches.
//
// Of two sides the wide one has blocks of rows, or parts of rows, and the tall one blocks of
// columns; where one serves both halves of the result it is the wide one.
#include "ops/quantize_dual.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/cpu_isa.h"
#include "cpu/gather.h"
#include "cpu/quantize_dual_run.h"
#include "cpu/quantize_dual_sides.h"
#include "cpu/tiles.h"

namespace halfword {
namespace {

constexpr int64_t kCacheBytes = 1 << 18;    // of x; a core's cache holds its codes too
constexpr int64_t kWorthAThread = 1 << 15;  // elements, as in cpu/tiles.h
constexpr int64_t kScans = 64;   // strips that are scanned, at most; each has ranges of its columns
constexpr int64_t kNarrow = 32;  // columns of a block that are not worth a call each
constexpr int64_t kRowsAtOnce = 4;  // that the scan takes together
// Of parts that are prefetched and go past the caches: staged codes stay in the first one.
constexpr int64_t kFetchedCols = 256;
constexpr int64_t kFetchedAhead = 4;   // the time of one part is too short
constexpr int64_t kFetchedGroup = 16;  // parts beside one another that go strip by strip
constexpr int64_t kLine = 64;
// Of x and codes. From here on codes go past the caches: the lines of codes_t lie far from each
// other, and to fetch them first takes longer than all the rest.
constexpr int64_t kStreamedBytes = 1 << 23;

QuantizeDualLoops choose_loops(const QuantizeDualParams& p) {
  static constexpr IsaTable<decltype(&quantize_dual_loops_portable)> kLoops =
      HALFWORD_ISA_TABLE(quantize_dual_loops);
  return kLoops.pick()(p);
}

bool is_aligned(const void* p) { return reinterpret_cast<uintptr_t>(p) % kLine == 0; }

class Dual {
 public:
  explicit Dual(const QuantizeDualParams& p)
      : p_(p),
        loops_(choose_loops(p)),
        size_(element_size(p.dtype)),
        affine_(p.mapping == Mapping::kAffine),
        count_(is_exact_copy(p) ? 1 : 2) {
    blocks_[0] = p.blocks;
    blocks_[1] = {p.blocks.rows, p.blocks.cols, p.blocks_t.block_cols, p.blocks_t.block_rows};
    height_ = std::max(blocks_[0].block_rows, blocks_[1].block_rows);
    width_ = std::max(blocks_[0].block_cols, blocks_[1].block_cols);
    const Blocks& a = blocks_[0];
    const Blocks& b = blocks_[1];
    const bool same_rows = a.block_rows == b.block_rows;
    wide_ = same_rows ? a.block_cols < b.block_cols : a.block_rows > b.block_rows;
    large_ = a.rows * a.cols > kStreamedBytes / (static_cast<int64_t>(size_) + 2);
    streams_ = large_ && a.cols % kLine == 0;
    streams_t_ = large_ && a.rows % kLine == 0 && is_aligned(p.codes_t);
  }

  void run(ParallelFor parallel) const {
    const Region whole{0, 0, p_.blocks.rows, p_.blocks.cols};
    const int64_t rows = std::min(whole.rows, (kStripRows + height_ - 1) / height_ * height_);
    const int64_t fit = kCacheBytes / static_cast<int64_t>(size_) / rows / width_;
    if (fit > 0) {
      run_by_regions(parallel, whole, rows, fit * width_);
    } else {
      run_whole(parallel, whole);
    }
  }

 private:
  void run_by_regions(ParallelFor parallel, const Region& whole, int64_t rows, int64_t cols) const {
    const Blocks regions{whole.rows, whole.cols, rows, cols};
    const int64_t grain = std::max<int64_t>(1, kWorthAThread / (rows * std::min(cols, whole.cols)));
    const auto region = [&](int64_t k) -> Region {
      const int64_t i = k / regions.across() * rows, j = k % regions.across() * cols;
      return {i, j, std::min(rows, whole.rows - i), std::min(cols, whole.cols - j)};
    };
    parallel_for(parallel, regions.count(), grain, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) run_region(region(k), region(std::min(k + 1, end - 1)));
      loops_.finish_streaming();
    });
  }

  // One region, while the next is prefetched.
  void run_region(const Region& region, const Region& next) const {
    std::vector<Side> sides = make_sides(region);
    RangeArrays ranges[2];
    for (int h = 0; h < count_; ++h) ranges[h] = sides[h].ranges.at(0);
    scan(region, ranges);
    for (int h = 0; h < count_; ++h) finish(region, h, &sides[h], 0, sides[h].blocks.count());
    for (int64_t i = 0; i < region.rows; i += kStripRows) {
      for (int64_t j = 0; j < region.cols; j += kFetchedCols) {
        const bool there = i < next.rows && j < next.cols;
        encode_part(region, sides, {i, j}, kFetchedCols,
                    there ? element(next, i, j) : element(region, i, j));
      }
    }
  }

  // Strip after strip of a group of parts: the lines of codes_t that it writes lie in as many pages
  // as it has columns, and those of the next strip in the same.
  void run_whole(ParallelFor parallel, const Region& whole) const {
    std::vector<Side> sides = make_sides(whole);
    scan_strips(parallel, whole, &sides);
    for (int h = 0; h < count_; ++h) {
      parallel_for(parallel, sides[h].blocks.count(), kWorthAThread / 8,
                   [&](int64_t begin, int64_t end) { finish(whole, h, &sides[h], begin, end); });
    }
    // Rows that the caches hold are read and written in long runs.
    const int64_t width = large_ ? kFetchedCols : kPartCols;
    const int64_t most = large_ ? kFetchedGroup : 1;
    const int64_t ahead = large_ ? kFetchedAhead : 0;
    const Blocks parts{whole.rows, whole.cols, kStripRows, width};
    const auto place = [&](int64_t k) -> Place {
      const int64_t group = k / (parts.down() * most) * most;
      const int64_t across = std::min(most, parts.across() - group);
      const int64_t in_group = k - group * parts.down();
      return {in_group / across * kStripRows, (group + in_group % across) * width};
    };
    parallel_for(parallel, parts.count(),
                 std::max<int64_t>(1, kWorthAThread / (kStripRows * width)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t k = begin; k < end; ++k) {
                     const Place next = place(std::min(k + ahead, end - 1));
                     encode_part(whole, sides, place(k), width, element(whole, next.row, next.col));
                   }
                   loops_.finish_streaming();
                 });
  }

  std::vector<Side> make_sides(const Region& region) const {
    std::vector<Side> sides;
    for (int h = 0; h < count_; ++h) sides.emplace_back(blocks_of(region, blocks_[h]), affine_);
    return sides;
  }

  // Strips of rows that no block boundary cuts. Those share the ranges of higher blocks, so each
  // has its own, which are folded afterwards.
  void scan_strips(ParallelFor parallel, const Region& whole, std::vector<Side>* sides) const {
    const int64_t most = std::max(kStripRows / 2, (whole.rows + kScans - 1) / kScans);
    std::vector<Region> strips;
    for (int64_t row = 0; row < whole.rows;) {
      const int64_t block_end = (row / height_ + 1) * height_;
      const int64_t end = std::min({row + most, block_end, whole.rows});
      strips.push_back({row, 0, end - row, whole.cols});
      row = end;
    }
    const auto is_shared = [&](int h) { return blocks_[h].block_rows > 1; };
    const auto offset = [&](const Region& strip, int h) {
      return strip.row / blocks_[h].block_rows * blocks_[h].across();
    };
    std::vector<Ranges> own;
    for (const Region& strip : strips) {
      for (int h = 0; h < count_; ++h) {
        own.emplace_back(is_shared(h) ? blocks_of(strip, blocks_[h]).count() : 0, affine_);
      }
    }
    parallel_for(parallel, static_cast<int64_t>(strips.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; ++s) {
        RangeArrays ranges[2];
        for (int h = 0; h < count_; ++h) {
          ranges[h] = is_shared(h) ? own[s * count_ + h].at(0)
                                   : (*sides)[h].ranges.at(offset(strips[s], h));
        }
        scan(strips[s], ranges);
      }
    });
    for (int h = 0; h < count_; ++h) {
      if (!is_shared(h)) continue;
      for (size_t s = 0; s < strips.size(); ++s) {
        loops_.fold((*sides)[h].ranges.at(offset(strips[s], h)), own[s * count_ + h].at(0),
                    blocks_of(strips[s], blocks_[h]).count());
      }
    }
  }

  // Folds a region of whole blocks, or a strip of a row of them, into ranges of its blocks: a few
  // rows through all columns, then the next, as memory likes it.
  void scan(const Region& region, const RangeArrays (&ranges)[2]) const {
    const Blocks wide = blocks_of(region, blocks_[wide_]);
    const Blocks tall = blocks_of(region, blocks_[1 - wide_]);
    const int64_t row_step = wide.block_rows == 1 ? wide.across() : 0;
    const RangeArrays none{};
    const int64_t most = count_ == 1 && width_ < region.cols ? height_ : kRowsAtOnce;
    for (int64_t i = 0, rows; i < region.rows; i += rows) {
      rows = std::min({most, height_ - i % height_, region.rows - i});
      for (int64_t j = 0; j < region.cols; j += width_) {
        loops_.scan(element(region, i, j), p_.row_stride, rows, std::min(width_, region.cols - j),
                    advance(ranges[wide_], wide.of(i, j)), row_step,
                    count_ == 1 ? none : advance(ranges[1 - wide_], tall.of(i, j)));
      }
    }
  }

  // The scales of blocks [begin, end) of a region, from their ranges.
  void finish(const Region& region, int h, Side* side, int64_t begin, int64_t end) const {
    const Blocks& all = blocks_[h];
    const int64_t first_down = region.row / all.block_rows;
    const int64_t first_across = region.col / all.block_cols;
    const int64_t width = side->blocks.across();
    int64_t i = begin / width, j = begin % width;
    const int64_t pitch = all.across(), pitch_t = all.down();
    for (int64_t k = begin; k < end; ++k) {
      const RangeArrays range = side->ranges.at(k);
      const BlockScale scale =
          compute_scale({*range.largest, affine_ ? *range.low : 0.0f, affine_ ? *range.high : 0.0f},
                        p_.mapping, p_.bits);
      side->inv[k] = scale.inv;
      if (scale.inv != scale.inv) __atomic_store_n(&side->finite, false, __ATOMIC_RELAXED);
      if (affine_) side->zero_point[k] = scale.zero_point;
      const int64_t down = first_down + i, across = first_across + j;
      if (++j == width) ++i, j = 0;
      if (h == 0) {
        const int64_t at = down * pitch + across;
        p_.scale[at] = scale.scale;
        if (affine_) p_.zero_point[at] = static_cast<int32_t>(scale.zero_point);
      }
      if (h == count_ - 1) {
        const int64_t at = across * pitch_t + down;
        p_.scale_t[at] = scale.scale;
        if (affine_) p_.zero_point_t[at] = static_cast<int32_t>(scale.zero_point);
      }
    }
  }

  struct Scratch {
    alignas(64) int8_t staged[kStripRows * kStagedPitch];
    const char* next;
    alignas(64) int8_t lines[kLineColumns * kStripRows];
    alignas(64) uint16_t random[2][kRandomMemory];
    alignas(64) float inv[kPartCols + kVectorMultiple];
    alignas(64) float zero_point[kPartCols + kVectorMultiple];
  };

  // The part of a region from a place on, `width` columns; `next` is what is read after it.
  void encode_part(const Region& region, const std::vector<Side>& sides, const Place& place,
                   int64_t width, const char* next) const {
    const auto [i, j] = place;
    const int64_t rows = std::min(kStripRows, region.rows - i);
    const int64_t cols = std::min(width, region.cols - j);
    Scratch scratch;
    scratch.next = next;
    for (int64_t r = 0, count; r < rows; r += count) {
      count = rows_together(i + r, rows - r);
      encode_rows(region, sides, {i + r, j, count, cols}, scratch.staged + r * kStagedPitch,
                  &scratch);
      scratch.next = halfword::advance(scratch.next, count * p_.row_stride, size_);
    }
    const int64_t pitch = p_.blocks.rows;
    int8_t* out = p_.codes_t + (region.col + j) * pitch + region.row + i;
    for (int64_t c = 0; c < cols; c += kLineColumns, out += kLineColumns * pitch) {
      if (rows == kStripRows && c + kLineColumns <= cols) {
        loops_.transpose(scratch.staged + c, out, pitch, streams_t_);
        continue;
      }
      loops_.transpose(scratch.staged + c, scratch.lines, kStripRows, false);
      for (int64_t l = 0; l < std::min(kLineColumns, cols - c); ++l) {
        std::memcpy(out + l * pitch, scratch.lines + l * kStripRows, static_cast<size_t>(rows));
      }
    }
  }

  // How many of `rows` rows of a region, from i on, are encoded by one call: no block ends between
  // them, unless each row has its own. Random bits and gathered scales are those of one row.
  int64_t rows_together(int64_t i, int64_t rows) const {
    const bool gathered = width_ < kNarrow && blocks_[wide_].block_rows == 1;
    if (p_.seed != nullptr || gathered) return 1;
    for (int h = 0; h < count_; ++h) {
      const int64_t height = blocks_[h].block_rows;
      if (height > 1) rows = std::min(rows, height - i % height);
    }
    return rows;
  }

  // Rows of a region and their columns. A call for each of the wider blocks, or one where they are
  // narrow.
  void encode_rows(const Region& region, const std::vector<Side>& sides, const Region& rows,
                   int8_t* staged, Scratch* scratch) const {
    const CodeRange range = code_range(p_.mapping, p_.bits);
    const auto encode =
        sides[0].finite && sides[count_ - 1].finite ? loops_.encode_finite : loops_.encode;
    const int64_t first = (region.row + rows.row) * p_.blocks.cols + region.col + rows.col;
    const uint16_t* random[2] = {nullptr, nullptr};
    for (int h = 0; h < count_ && p_.seed != nullptr; ++h) {
      const RandomStream stream = quantize_random(static_cast<uint64_t>(*p_.seed),
                                                  h == 0 ? kRowCodeBits : kTransposedCodeBits);
      random[h] = loops_.random(stream, first, rows.cols, scratch->random[h]);
    }
    const auto encode_columns = [&](int64_t c, int64_t count, const PartScales& wide_scales) {
      DualPart part{};
      part.x = element(region, rows.row, rows.col + c);
      part.pitch = p_.row_stride;
      part.rows = rows.rows;
      part.cols = count;
      (wide_ == 0 ? part.scales : part.staged_scales) = wide_scales;
      if (count_ == 2) {
        const Side& tall = sides[1 - wide_];
        (wide_ == 0 ? part.staged_scales : part.scales) =
            scales_at(tall, rows.row, rows.col + c, true);
      }
      if (p_.seed != nullptr) {
        part.random = random[0] + c;
        part.staged_random = count_ == 2 ? random[1] + c : nullptr;
      }
      part.codes = p_.codes + first + c;
      part.codes_pitch = p_.blocks.cols;
      part.staged = staged + c;
      part.next = halfword::advance(scratch->next, c, size_);
      part.streams = streams_ && is_aligned(part.codes);
      encode(part, range);
    };
    const Side& wide = sides[wide_];
    if (width_ < kNarrow) {
      for (int64_t c = 0; c < rows.cols; ++c) {
        const int64_t block = wide.blocks.of(rows.row, rows.col + c);
        scratch->inv[c] = wide.inv[block];
        if (affine_) scratch->zero_point[c] = wide.zero_point[block];
      }
      return encode_columns(0, rows.cols, {scratch->inv, scratch->zero_point, 0, true});
    }
    for (int64_t c = 0, count; c < rows.cols; c += count) {
      count = std::min(width_ - (rows.col + c) % width_, rows.cols - c);
      encode_columns(c, count, scales_at(wide, rows.row, rows.col + c, false));
    }
  }

  PartScales scales_at(const Side& side, int64_t i, int64_t j, bool each) const {
    const int64_t block = side.blocks.of(i, j);
    const int64_t row_step = side.blocks.block_rows == 1 ? side.blocks.across() : 0;
    return {side.inv.data() + block, affine_ ? side.zero_point.data() + block : nullptr, row_step,
            each};
  }

  const char* element(const Region& region, int64_t i, int64_t j) const {
    return halfword::advance(p_.x, (region.row + i) * p_.row_stride + region.col + j, size_);
  }

  const QuantizeDualParams& p_;
  QuantizeDualLoops loops_;
  size_t size_;
  bool affine_;
  int count_;         // of quantizations: 1 where one serves both halves
  Blocks blocks_[2];  // of both sides, on x
  int64_t height_;    // of the higher blocks
  int64_t width_;     // of the wider ones
  int wide_;          // the side that has those
  bool large_;        // so that codes go past the caches, if their lines are aligned:
  bool streams_;      // those of x
  bool streams_t_;    // those of x^T
};

}  // namespace

void quantize_dual_cpu(const QuantizeDualParams& params, ParallelFor parallel) {
  if (params.blocks.rows == 0 || params.blocks.cols == 0) return;
  Dual(params).run(parallel);
}

}  // namespace halfword
