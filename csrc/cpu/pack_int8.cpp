// A panel is packed by one thread.
#include "ops/pack_int8.h"

#include <algorithm>

#include "core/cpu_isa.h"
#include "cpu/huge_pages.h"
#include "cpu/pack_int8_run.h"

namespace halfword {

void pack_int8_cpu(const PackInt8Params& params, ParallelFor parallel) {
  static constexpr IsaTable<PackInt8Loop> kLoops = HALFWORD_ISA_TABLE(pack_int8_loop);
  constexpr int64_t kPanel = PackInt8Params::kPanel;
  constexpr int64_t kWorthAThread = 1 << 18;  // bytes: some 10 us of work
  prefer_huge_pages(params.packed, panels_bytes(params.n, params.k));
  const PackInt8Loop loop = kLoops.pick();
  const int64_t panels = (params.n + kPanel - 1) / kPanel;
  const int64_t grain = std::max<int64_t>(1, kWorthAThread / (kPanel * (params.k + 1)));
  parallel_for(parallel, panels, grain, [&](int64_t first, int64_t last) {
    for (int64_t row = first * kPanel; row < std::min(last * kPanel, params.n); row += kPanel) {
      loop({.b = params.b + row * params.row_stride,
            .row_stride = params.row_stride,
            .rows = std::min(kPanel, params.n - row),
            .width = panel_width(params.n, row),
            .k = params.k,
            .packed = params.packed + panels_bytes(row, params.k),
            .sums = params.sums + row});
    }
  });
}

}  // namespace halfword
