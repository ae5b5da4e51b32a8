// Which tiles a GEMM is cut into, and which blocks do them: a choice by modelled cycles, the same
// for the same shape and device, and nothing is tried out or remembered. Plain C++, so that it can
// be tested anywhere.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/host_device.h"
#include "cuda/stream_k.h"
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
// b, and warps with a part of the columns each keep enough of it on the way.
constexpr GemmTile kGemmTiles[] = {
    {16, 32, 256, 1, 1, 4, 6},  {64, 32, 256, 1, 1, 4, 4},  {96, 64, 128, 1, 2, 2, 4},
    {112, 128, 64, 1, 4, 1, 4}, {128, 256, 64, 2, 4, 1, 4},
};
constexpr int kGemmTileCount = sizeof kGemmTiles / sizeof kGemmTiles[0];
constexpr int kFragment = 16;  // rows of an operand that are multiplied at once

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The rows of a, in fragments, divided evenly among rows of tiles: the first ones have one more.
struct GemmRows {
  int64_t tiles = 0;
  int64_t each = 0;   // fragments
  int64_t extra = 0;  // tiles that have one more

  HALFWORD_INLINE constexpr int64_t first(int64_t tile) const {
    return kFragment * (tile * each + (tile < extra ? tile : extra));
  }
  HALFWORD_INLINE constexpr int height() const {  // of the highest
    return static_cast<int>(kFragment * (each + (extra > 0)));
  }
};

struct GemmPlan {
  int tile = 0;  // of kGemmTiles
  GemmRows rows;
  int64_t n_tiles = 0;
  StreamK work;       // its units are steps of the tile's k
  double cycles = 0;  // modelled

  const GemmTile& shape() const { return kGemmTiles[tile]; }
  // That blocks leave for each other in memory.
  int64_t shared_sums() const {
    return work.places() * rows.height() * shape().n * shape().warps_k;
  }
};

// What a multiprocessor does in a cycle, of an A100. Newer ones differ by less than 2 in the ratios
// that decide.
struct GemmMachine {
  int processors;
  double macs = 2048;           // by mma.sync
  double shared_bytes = 128;    // of its shared memory
  double cache_bytes = 40;      // from the L2 cache
  double memory_bytes = 13.4;   // its share of the memory's
  int block_bytes = 163 << 10;  // of shared memory, that a block may have
};

namespace gemm_model {

constexpr double kFill = 800;                      // until the first step is there
constexpr double kStepCycles = 24;                 // a barrier, addresses
constexpr double kLaunch = 2500;                   // of a kernel after another, or of a fill
constexpr double kArrive = 1500;                   // a fence, a counter in the L2 cache
constexpr double kOutBytes = 2;                    // of an element, most of the time
constexpr double kStageBytes = 4 + 4 + kOutBytes;  // of an element through shared memory

inline double step_cycles(const GemmMachine& machine, const GemmTile& tile, double rows) {
  // A multiprocessor has four tensor cores, one for every fourth warp: where that is not the same
  // for all parts of m, the largest of them counts.
  const double parts = tile.warps_n % 4 == 0 ? 1 : tile.warps_m;
  const double used = std::ceil(rows / (kFragment * parts)) * kFragment * parts;
  const double math = used * tile.n * tile.k / machine.macs;
  const double copied = (rows + tile.n) * tile.k;
  // A fragment of 16 rows is read by all warps that divide n, one of b by those that divide m.
  const double read = (used * tile.warps_n + tile.n * tile.warps_m) * tile.k;
  const double shared = (copied + read) / machine.shared_bytes;
  return std::max({math, shared, copied / machine.cache_bytes}) + kStepCycles;
}

// Sums of a tile of `rows` rows, finished.
inline double finish_cycles(const GemmMachine& machine, const GemmTile& tile, double rows) {
  return 2 * rows * tile.n * tile.warps_k * kStageBytes / machine.shared_bytes;
}

// Of a wave of blocks that share tiles, of which a block has parts of `steps` steps in all.
inline double sharing_cycles(const GemmMachine& machine, const GemmPlan& plan, double step) {
  const GemmTile& tile = plan.shape();
  const StreamK& work = plan.work;
  const int64_t all = work.shared_tiles() * work.units;
  const int64_t steps = divide_up(all, work.sharers);
  const bool is_even = work.sharers % work.shared_tiles() == 0;  // no block has two tiles
  const int64_t parts = is_even ? 1 : 1 + divide_up(steps - 1, work.units);
  const int64_t blocks = is_even ? work.sharers / work.shared_tiles()
                                 : divide_up(work.units, all / work.sharers) + 1;  // of a tile
  const double sums = plan.rows.height() * tile.n * tile.warps_k * 4.0 / machine.cache_bytes;
  const auto moved = static_cast<double>(std::min<int64_t>(parts, 2) + blocks);
  return static_cast<double>(steps) * step + static_cast<double>(parts) * kFill + kArrive +
         moved * sums + finish_cycles(machine, tile, plan.rows.height());
}

inline double cycles(const GemmMachine& machine, const GemmPlan& plan, int64_t m, int64_t n,
                     int64_t k) {
  const auto rows = static_cast<double>(m), columns = static_cast<double>(n);
  const double moved = (rows + columns) * static_cast<double>(k) + rows * columns * kOutBytes;
  const double memory = moved / (machine.processors * machine.memory_bytes);
  // Waves of blocks: the last one has the highest tiles, in the others they are mixed.
  const GemmTile& tile = plan.shape();
  const double highest = step_cycles(machine, tile, std::min<double>(rows, plan.rows.height()));
  const double lowest = step_cycles(machine, tile, kFragment * static_cast<double>(plan.rows.each));
  const double part = static_cast<double>(plan.rows.extra) / static_cast<double>(plan.rows.tiles);
  const double step = part * highest + (1 - part) * lowest;
  double blocks = 0;
  if (plan.work.whole > 0) {
    const auto waves = static_cast<double>(divide_up(plan.work.whole, machine.processors));
    blocks = waves * (kFill + finish_cycles(machine, tile, plan.rows.height())) +
             static_cast<double>(plan.work.units) * ((waves - 1) * step + highest);
  }
  if (plan.work.sharers > 0) {
    const auto waves = static_cast<double>(divide_up(plan.work.sharers, machine.processors));
    blocks += waves * sharing_cycles(machine, plan, plan.work.whole > 0 ? step : highest);
  }
  const double clear = plan.work.sharers > 0 ? kLaunch : 0;  // of counters
  return kLaunch + clear + std::max(blocks, kFill + memory);
}

}  // namespace gemm_model

// The plan with the fewest cycles. longest: columns that one sum of 32 bits may take.
inline GemmPlan plan_gemm(int64_t m, int64_t n, int64_t k, int64_t longest,
                          const GemmMachine& machine) {
  const int64_t fragments = divide_up(m, kFragment), processors = machine.processors;
  GemmPlan best;
  const auto consider = [&](GemmPlan plan, int64_t whole, int64_t sharers) {
    StreamK& work = plan.work;
    work.whole = whole, work.sharers = sharers;
    const int64_t most = longest / plan.shape().k;  // steps of a sum
    if (whole > 0 && work.units > most) return;
    if (sharers > 0 && divide_up(work.shared_tiles() * work.units, sharers) > most) return;
    plan.cycles = gemm_model::cycles(machine, plan, m, n, k);
    if (best.n_tiles == 0 || plan.cycles < best.cycles) best = plan;
  };
  for (int t = 0; t < kGemmTileCount; ++t) {
    const GemmTile& tile = kGemmTiles[t];
    GemmPlan plan;
    plan.tile = t;
    plan.n_tiles = divide_up(n, tile.n);
    plan.work.units = std::max<int64_t>(1, divide_up(k, tile.k));  // no columns: zeros
    for (int64_t height = tile.m / kFragment; height > 0; --height) {
      const int64_t m_tiles = divide_up(fragments, height);
      if (m_tiles == plan.rows.tiles) continue;
      plan.rows = {m_tiles, fragments / m_tiles, fragments % m_tiles};
      const int64_t tiles = plan.work.tiles = m_tiles * plan.n_tiles;
      const int64_t units = plan.work.units;
      consider(plan, tiles, 0);
      // All but the last wave, or the last two, which fill the processors then; each tile of them
      // cut into the same number of parts, or not.
      const int64_t full = tiles / processors * processors;
      for (int64_t whole = full; whole >= 0 && whole >= full - processors; whole -= processors) {
        const int64_t rest = tiles - whole;
        if (rest == 0) continue;
        if (rest * units >= processors) consider(plan, whole, processors);
        const int64_t most = std::min(processors / rest, units);
        for (int64_t parts = 2; parts <= most; ++parts) consider(plan, whole, rest * parts);
      }
      const int64_t least = divide_up(units, std::max<int64_t>(1, longest / tile.k));
      if (least > 1) consider(plan, 0, tiles * least);
    }
  }
  return best;
}

}  // namespace halfword
