// The matrix as one sequence of elements, cut anywhere, row by row.
#include "ops/requantize.h"

#include <algorithm>

#include "core/cpu_isa.h"
#include "cpu/requantize_run.h"

namespace halfword {

void requantize_cpu(const RequantizeParams& params, ParallelFor parallel) {
  constexpr int64_t kWorthAThread = 1 << 15;  // elements: some 10 us of work
  static constexpr IsaTable<RequantizeLoop> kLoops = HALFWORD_ISA_TABLE(requantize_loop);
  const RequantizeLoop loop = kLoops.pick();
  const int64_t zero_point = params.zero_point == nullptr ? 0 : *params.zero_point;
  const auto from = [](const ColumnInt& ints, int64_t col) {
    return ColumnInt{ints.values + (ints.each ? col : 0), ints.each};
  };
  parallel_for(parallel, params.rows * params.cols, kWorthAThread, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end;) {
      const int64_t col = i % params.cols;
      const int64_t count = std::min(params.cols - col, end - i);
      loop({params.acc + i, count, from(params.multiplier, col), from(params.shift, col),
            zero_point, params.lowest, params.highest, params.codes + i});
      i += count;
    }
  });
}

}  // namespace halfword
