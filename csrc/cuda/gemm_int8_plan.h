// Which tiles a GEMM is cut into: a choice by modelled cycles, the same for the same shape and
// device, and nothing is tried out or remembered. Plain C++, so that it can be tested anywhere.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/host_device.h"
#include "ops/gemm_int8.h"

namespace halfword {

// A block multiplies m rows of a and n rows of b, k columns at a time. Its warps divide m and n
// among them, or the columns of each step (warps_k).
struct GemmTile {
  int m;
  int n;
  int k;
  int warps_m;
  int warps_n;
  int warps_k;
  int stages;  // steps in shared memory: one is used, the others are on their way

  HALFWORD_INLINE constexpr int warp_m() const { return m / warps_m; }
  HALFWORD_INLINE constexpr int warp_n() const { return n / warps_n; }
  HALFWORD_INLINE constexpr int warps() const { return warps_m * warps_n * warps_k; }
  HALFWORD_INLINE constexpr int threads() const { return 32 * warps(); }
  HALFWORD_INLINE constexpr int stage_bytes() const { return (m + n) * k; }
  HALFWORD_INLINE constexpr int shared_bytes() const { return stages * stage_bytes(); }
};

// Few rows are a matter of reading b: there, narrow tiles give every multiprocessor its own part of
// b, and four warps with a quarter of the columns each keep enough of it on the way.
constexpr GemmTile kGemmTiles[] = {
    {16, 32, 256, 1, 1, 4, 6},  {32, 32, 256, 1, 1, 4, 5},  {64, 128, 64, 2, 2, 1, 4},
    {128, 128, 64, 2, 2, 1, 4}, {128, 256, 64, 2, 4, 1, 4},
};
constexpr int kGemmTileCount = sizeof kGemmTiles / sizeof kGemmTiles[0];

struct GemmPlan {
  int tile = 0;     // of kGemmTiles
  int height = 16;  // rows of a in a block: up to the tile's m, in steps of 16 * warps_m
  int64_t m_tiles = 0;
  int64_t n_tiles = 0;
  int64_t steps = 0;   // of the tile's k
  int64_t splits = 1;  // parts of the steps; the sums of more than one go through memory
  double cycles = 0;   // modelled

  const GemmTile& shape() const { return kGemmTiles[tile]; }
};

// What a multiprocessor does in a cycle, of an A100. Newer ones differ by less than 2 in the ratios
// that decide.
struct GemmMachine {
  int processors;
  double macs = 2048;          // by mma.sync
  double shared_bytes = 128;   // of its shared memory
  double cache_bytes = 40;     // from the L2 cache
  double memory_bytes = 13.4;  // its share of the memory's
};

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

namespace gemm_model {

constexpr double kFill = 800;                      // until the first step is there
constexpr double kStepCycles = 24;                 // a barrier, addresses
constexpr double kLaunch = 2500;                   // of a kernel after another
constexpr double kOutBytes = 2;                    // of an element, most of the time
constexpr double kStageBytes = 4 + 4 + kOutBytes;  // of an element through shared memory

// Of a block of `rows` rows that takes `steps` steps.
inline double block_cycles(const GemmMachine& machine, const GemmTile& tile, double rows,
                           double steps) {
  const double used = divide_up(static_cast<int64_t>(rows), 16 * tile.warps_m) * 16.0 *
                      tile.warps_m;  // rows that are multiplied
  const double math = used * tile.n * tile.k / machine.macs;
  const double copied = (rows + tile.n) * tile.k;
  // A fragment of 16 rows is read by all warps that divide n, one of b by those that divide m.
  const double read = (used * tile.warps_n + tile.n * tile.warps_m) * tile.k;
  const double shared = (copied + read) / machine.shared_bytes;
  const double step = std::max({math, shared, copied / machine.cache_bytes}) + kStepCycles;
  const double sums = used * tile.n * tile.warps_k * kStageBytes / machine.shared_bytes;
  return kFill + steps * step + 2 * sums;
}

// Until all blocks are done, of which each multiprocessor takes the next as it ends one. Those of
// the last rows, which may be shorter, come last.
inline double blocks_cycles(const GemmMachine& machine, const GemmPlan& plan, int64_t m) {
  const GemmTile& tile = plan.shape();
  const auto steps = static_cast<double>(divide_up(plan.steps, plan.splits));
  const int64_t in_row = plan.n_tiles * plan.splits;
  const int64_t last_rows = m - (plan.m_tiles - 1) * plan.height;
  const bool is_short = last_rows < plan.height;
  const int64_t whole = in_row * (plan.m_tiles - is_short);
  int64_t rest = is_short ? in_row : 0;
  const double whole_cycles = block_cycles(machine, tile, plan.height, steps);
  const double rest_cycles = block_cycles(machine, tile, static_cast<double>(last_rows), steps);
  const int64_t idle = divide_up(whole, machine.processors) * machine.processors - whole;
  rest = std::max<int64_t>(0, rest - idle * static_cast<int64_t>(whole_cycles / rest_cycles));
  return static_cast<double>(divide_up(whole, machine.processors)) * whole_cycles +
         static_cast<double>(divide_up(rest, machine.processors)) * rest_cycles;
}

inline double cycles(const GemmMachine& machine, const GemmPlan& plan, int64_t m, int64_t n,
                     int64_t k) {
  const auto rows = static_cast<double>(m), columns = static_cast<double>(n);
  const double moved = (rows + columns) * static_cast<double>(k) + rows * columns * kOutBytes;
  const double memory = moved / (machine.processors * machine.memory_bytes);
  double all = kLaunch + std::max(blocks_cycles(machine, plan, m), kFill + memory);
  if (plan.splits > 1) {  // sums written, and read by a second kernel
    const double sums = rows * columns * sizeof(int32_t) * static_cast<double>(plan.splits);
    all += kLaunch + kFill + 2 * sums / (machine.processors * machine.cache_bytes);
  }
  return all;
}

}  // namespace gemm_model

// The plan with the fewest cycles. longest: columns that one sum of 32 bits may take.
inline GemmPlan plan_gemm(int64_t m, int64_t n, int64_t k, int64_t longest,
                          const GemmMachine& machine) {
  constexpr int kShortest = 4;  // steps of a split: fewer are mostly filling
  constexpr int64_t kMostSplits = 32;
  GemmPlan best;
  const auto consider = [&](GemmPlan plan) {
    plan.cycles = gemm_model::cycles(machine, plan, m, n, k);
    if (best.m_tiles == 0 || plan.cycles < best.cycles) best = plan;
  };
  for (int t = 0; t < kGemmTileCount; ++t) {
    const GemmTile& tile = kGemmTiles[t];
    GemmPlan plan;
    plan.tile = t;
    plan.n_tiles = divide_up(n, tile.n);
    plan.steps = divide_up(k, tile.k);
    const int64_t fewest = std::max<int64_t>(1, divide_up(plan.steps, longest / tile.k));
    const int64_t least = divide_up(m, tile.m);
    for (int64_t m_tiles = least; m_tiles <= least + 1; ++m_tiles) {
      const int64_t unit = 16 * tile.warps_m;
      plan.height = static_cast<int>(divide_up(divide_up(m, m_tiles), unit) * unit);
      plan.m_tiles = divide_up(m, plan.height);
      // Splitting fills multiprocessors that have nothing to do, and nothing else.
      const int64_t useful = 2 * machine.processors / (plan.m_tiles * plan.n_tiles) + 1;
      const int64_t most = std::min({useful, plan.steps / kShortest, kMostSplits});
      for (plan.splits = fewest; plan.splits <= std::max(fewest, most); ++plan.splits) {
        consider(plan);
      }
    }
  }
  return best;
}

}  // namespace halfword
