// What the loops of all instruction sets have in common with their launcher.
#pragma once

#include <cstdint>

#include "ops/quantize_dual.h"

namespace halfword {

// A strip of rows is encoded part by part: codes go to their place, those of the other half to
// `staged`, from where they are transposed, a line of the transposed matrix for each column.
constexpr int64_t kStripRows = 64;      // bytes in a cache line
constexpr int64_t kPartCols = 2048;     // at most, so that a staged part stays in a core's cache
constexpr int64_t kLineColumns = 16;    // transposed at once
constexpr int64_t kStagedPitch = 2112;  // kPartCols and a line: rows are not at a power of two

// Ranges of many blocks, member by member, so that a vector of columns is folded at once.
struct RangeArrays {
  uint32_t* largest;
  float* low;  // null but for affine
  float* high;
};

// One scale for all elements of a row's part, or one each; those of the next row are `row_step` on.
struct PartScales {
  const float* inv;
  const float* zero_point;  // read for affine only
  int64_t row_step;
  bool each;
};

// Rows of a part, or one where there are random bits. Rows of `codes` take `cols` bytes, those of
// `staged` whole vectors. What lies behind column `cols` of scales and random is read and not used.
struct DualPart {
  const void* x;
  int64_t pitch;
  int64_t rows;
  int64_t cols;
  PartScales scales;
  PartScales staged_scales;  // not read where one quantization serves both
  const uint16_t* random;    // null: to nearest
  const uint16_t* staged_random;
  int8_t* codes;
  int64_t codes_pitch;
  int8_t* staged;    // of pitch kStagedPitch
  const void* next;  // what is read after x, of the same pitch: it is prefetched
  bool streams;      // codes go past the caches; each row is 64-byte aligned
};

struct QuantizeDualLoops {
  // Folds x [rows, cols] into the ranges of its rows, `row_step` apart, and of its columns, if
  // there are arrays of those.
  void (*scan)(const void* x, int64_t pitch, int64_t rows, int64_t cols, RangeArrays of_rows,
               int64_t row_step, RangeArrays of_columns);
  // Folds `from` into `to`, block by block.
  void (*fold)(RangeArrays to, RangeArrays from, int64_t count);
  void (*encode)(const DualPart& part, CodeRange range);
  // The same where no scale is NaN.
  void (*encode_finite)(const DualPart& part, CodeRange range);
  // in [kStripRows][kLineColumns], of row stride kStagedPitch, to [kLineColumns][kStripRows]; past
  // the caches if `streams`, each line 64-byte aligned.
  void (*transpose)(const int8_t* in, int8_t* out, int64_t pitch, bool streams);
  void (*finish_streaming)();  // after the last of a thread
  // The bits of `count` elements from number `first` on, in memory for kPartCols of them; returns
  // where they begin.
  const uint16_t* (*random)(const RandomStream& stream, int64_t first, int64_t count,
                            uint16_t* memory);
};

constexpr int64_t kRandomAlign = 64;  // elements of the widest vector of Philox calls
constexpr int64_t kRandomMemory = kPartCols + 3 * kRandomAlign;

QuantizeDualLoops quantize_dual_loops_portable(const QuantizeDualParams& params);
QuantizeDualLoops quantize_dual_loops_avx2(const QuantizeDualParams& params);
QuantizeDualLoops quantize_dual_loops_avx512(const QuantizeDualParams& params);

}  // namespace halfword
