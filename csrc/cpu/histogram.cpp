// Each range of elements has counts of its own, which are added to the caller's at its end.
#include "ops/histogram.h"

#include <cstring>
#include <mutex>
#include <vector>

#include "core/cpu_isa.h"
#include "cpu/gather.h"
#include "cpu/histogram_run.h"
#include "cpu/tiles.h"

namespace halfword {
namespace {

constexpr int64_t kManyBins = 1 << 12;  // from here on several tables would leave the nearest cache

HistogramLoop choose_loop(Dtype dtype) {
  static constexpr IsaTable<decltype(&histogram_loop_portable)> kLoops =
      HALFWORD_ISA_TABLE(histogram_loop);
  return kLoops.pick()(dtype);
}

// The last elements, with NaN behind them.
void count_tail(const HistogramParams& params, const HistogramRun& run, const char* x,
                int64_t count) {
  const size_t size = element_size(params.dtype);
  alignas(64) char dense[kVectorMultiple * sizeof(float)];
  std::memset(dense, 0xff, sizeof dense);
  copy_elements(dense, 1, x, 1, count, size);
  choose_loop(params.dtype)(run, dense, kVectorMultiple);
}

void count_range(const HistogramParams& params, const HistogramRun& run, int64_t begin,
                 int64_t end) {
  const size_t size = element_size(params.dtype);
  const char* x = advance(params.x, begin, size);
  const int64_t whole = (end - begin) / kVectorMultiple * kVectorMultiple;
  choose_loop(params.dtype)(run, x, whole);
  if (begin + whole < end) count_tail(params, run, advance(x, whole, size), end - begin - whole);
}

}  // namespace

void histogram_cpu(const HistogramParams& params, ParallelFor parallel) {
  constexpr int64_t kWorthAThread = 1 << 15;  // elements: some 10 us of work
  const bool spread = params.bins < kManyBins;
  const int64_t table = params.bins + 1;
  std::mutex mutex;
  parallel_for(parallel, params.numel, kWorthAThread, [&](int64_t begin, int64_t end) {
    std::vector<int64_t> counts((spread ? kHistogramTables : 1) * table);
    count_range(params,
                {params.low, params.width_inverse, params.high, params.bins, params.absolute,
                 counts.data(), spread ? table : 0},
                begin, end);
    const std::lock_guard<std::mutex> lock(mutex);
    for (size_t i = 0; i < counts.size(); ++i) {
      const auto bin = static_cast<int64_t>(i) % table;
      if (bin < params.bins) params.counts[bin] += counts[i];
    }
  });
}

}  // namespace halfword
