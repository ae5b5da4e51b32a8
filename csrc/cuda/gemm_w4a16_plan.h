// Which tiles a product of floating activations and 4-bit weights is cut into: a choice by modelled
// cycles, as in gemm_int8_plan.h. No choice changes a bit of a result.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/host_device.h"
#include "cuda/gemm_int8_plan.h"
#include "cuda/stream_k.h"

namespace halfword {

// The columns are summed in kGemmW4A16Slices parts of kGemmW4A16SliceStep columns or a multiple,
// whatever the tile: warps of a block take one each, or one after the other, or other blocks take
// some; and the sums of the parts are added in their order.
constexpr int kGemmW4A16Slices = 4;
constexpr int kGemmW4A16SliceStep = 128;

// A block multiplies m rows of activations and n rows of weights. Its warps divide m and n among
// them; with warps_k, the slices too. A step is of k columns of each slice that is in work.
struct GemmW4A16Tile {
  int terms;  // 16-bit numbers in an activation
  int m;
  int n;
  int k;
  int warps_m;
  int warps_n;
  int warps_k;
  int stages;  // steps in shared memory: one is used, the others are on their way

  HALFWORD_INLINE constexpr int warp_m() const { return m / warps_m; }
  HALFWORD_INLINE constexpr int warp_n() const { return n / warps_n; }
  HALFWORD_INLINE constexpr int threads() const { return 32 * warps_m * warps_n * warps_k; }
  HALFWORD_INLINE constexpr int a_row_bytes() const { return 2 * k; }
  HALFWORD_INLINE constexpr int b_row_bytes() const { return k / 2; }
  HALFWORD_INLINE constexpr int a_bytes() const { return warps_k * terms * m * a_row_bytes(); }
  HALFWORD_INLINE constexpr int b_bytes() const { return warps_k * n * b_row_bytes(); }
  HALFWORD_INLINE constexpr int stage_bytes() const { return a_bytes() + b_bytes(); }

  // Its slices come one after the other, and so may be divided among blocks.
  HALFWORD_INLINE constexpr bool can_share() const { return warps_k == 1; }

  // Sums of a block in shared memory, [m][n] for each of warps_k: where steps were, unless warps
  // take slices one after the other.
  HALFWORD_INLINE constexpr int sums_bytes() const { return 4 * m * n; }
  HALFWORD_INLINE constexpr int sums_at() const { return warps_k > 1 ? 0 : stages * stage_bytes(); }
  HALFWORD_INLINE constexpr int shared_bytes() const {
    const int copied = stages * stage_bytes(), end = sums_at() + warps_k * sums_bytes();
    return copied < end ? end : copied;
  }
};

// Few rows are a matter of reading weights: there, narrow tiles give every multiprocessor its own
// part of them, and warps that divide the slices keep enough of it on the way. For some more, warps
// side by side bring activations to twice the columns, and tiles can be shared. Many rows are one
// of multiplying: the widest tile reads shared memory for 0.72 of that time and the cache for a
// half, and has two warps where one alone would wait, of 64 x 32, which is what registers hold.
//
// To unpack weights once into memory, for a product of 16-bit operands, would be slower. Here it
// takes 0.17 of that time, in units that the tensor cores leave alone; a pass that writes 2 n k
// bytes takes 0.1 of the time of 512 rows if they stay in the cache, and 0.3 if not, and to read
// them as operands would raise what shared memory has to do from 0.72 to 1.
constexpr GemmW4A16Tile kGemmW4A16Tiles[] = {
    {1, 8, 32, 128, 1, 2, 4, 4},  {1, 32, 64, 64, 1, 2, 4, 4},   {1, 32, 128, 64, 1, 4, 1, 6},
    {1, 128, 64, 64, 2, 2, 1, 3}, {1, 128, 128, 64, 2, 4, 1, 4}, {3, 8, 32, 128, 1, 2, 4, 3},
    {3, 64, 64, 64, 2, 2, 1, 3},
};
constexpr int kGemmW4A16TileCount = sizeof kGemmW4A16Tiles / sizeof kGemmW4A16Tiles[0];

struct GemmW4A16Plan {
  int tile = 0;      // of kGemmW4A16Tiles
  int64_t rows = 0;  // of activations, the first ones; those that are left have their own plan
  int64_t m_tiles = 0;
  int64_t n_tiles = 0;
  int64_t parts = 1;  // that tiles which would not fill a wave of blocks are divided into
  double cycles = 0;  // modelled, of all rows

  const GemmW4A16Tile& shape() const { return kGemmW4A16Tiles[tile]; }
};

// Columns of a slice: the last ones may have fewer, or none.
constexpr int64_t gemm_w4a16_slice(int64_t k) {
  return divide_up(divide_up(k, kGemmW4A16SliceStep), kGemmW4A16Slices) * kGemmW4A16SliceStep;
}

// Those that have columns; at least one.
constexpr int64_t gemm_w4a16_slices(int64_t k) {
  return k == 0 ? 1 : divide_up(k, gemm_w4a16_slice(k));
}

// Which blocks there are. A slice is a unit, and the parts of a tile are as equal as those allow: a
// block has one part, of one tile.
constexpr StreamK gemm_w4a16_blocks(const GemmW4A16Plan& plan, int64_t k, int64_t processors) {
  StreamK blocks{.tiles = plan.m_tiles * plan.n_tiles, .units = gemm_w4a16_slices(k)};
  blocks.whole = plan.parts == 1 ? blocks.tiles : blocks.tiles / processors * processors;
  blocks.sharers = blocks.shared_tiles() * plan.parts;
  return blocks;
}

namespace gemm_model {

constexpr double kUnpack = 11.0 / 8;  // instructions for a code
constexpr double kIssued = 128;       // instructions of a lane that a multiprocessor issues a cycle

// Of a column of a block that has `rows` rows of activations.
inline double column_cycles(const GemmMachine& machine, const GemmW4A16Tile& tile, double rows) {
  const double math = tile.m * tile.n * tile.terms / (machine.macs / 2);  // for 16 bits: half
  const double unpack = tile.n * tile.warps_m * kUnpack / kIssued;
  const double copied = 2.0 * rows * tile.terms + 0.5 * tile.n;
  const double read = 2.0 * tile.m * tile.terms * tile.warps_n + 0.5 * tile.n * tile.warps_m;
  const double shared = (copied + read) / machine.shared_bytes;
  const double column = std::max({math, unpack, shared, copied / machine.cache_bytes});
  return column + kStepCycles / (tile.k * tile.warps_k);
}

// Of all blocks of a plan, whose columns take `column` cycles each.
inline double blocks_cycles(const GemmMachine& machine, const GemmW4A16Plan& plan, double column,
                            int64_t k) {
  const double elements = plan.shape().m * plan.shape().n;
  const StreamK blocks = gemm_w4a16_blocks(plan, k, machine.processors);
  // The sums of every slice are written to shared memory and read again.
  const double sums = elements * (8.0 * kGemmW4A16Slices + 2 * kOutBytes) / machine.shared_bytes;
  const double whole = kFill + static_cast<double>(k) * column + sums;
  const double waves = divide_up(blocks.whole, machine.processors);
  if (blocks.sharers == 0) return waves * whole;
  // Of shared tiles they go through the cache, from where the last block reads them all. Before
  // that, counters are set to zero: a launch more.
  const double plane = elements * sizeof(float) / machine.cache_bytes;
  const auto slices = static_cast<double>(divide_up(blocks.units, plan.parts));
  const double part = kFill + slices * (gemm_w4a16_slice(k) * column + plane);
  const double part_waves = divide_up(blocks.sharers, machine.processors);
  return waves * whole + part_waves * part + kFill + blocks.units * plane + sums / 4 + kLaunch;
}

// Of the plan's rows alone.
inline double cycles(const GemmMachine& machine, const GemmW4A16Plan& plan, int64_t n, int64_t k) {
  const auto rows = static_cast<double>(plan.rows), columns = static_cast<double>(n);
  const double moved = (2 * rows + 0.5 * columns) * static_cast<double>(k) + rows * columns * 2;
  const double memory = moved / (machine.processors * machine.memory_bytes);
  const double column =
      column_cycles(machine, plan.shape(), rows / static_cast<double>(plan.m_tiles));
  return kLaunch + std::max(blocks_cycles(machine, plan, column, k), kFill + memory);
}

// The parts with the fewest cycles, of the plan's rows alone.
inline void share_tiles(const GemmMachine& machine, int64_t n, int64_t k, GemmW4A16Plan* plan) {
  GemmW4A16Plan shared = *plan;
  const int64_t most = plan->shape().can_share() ? gemm_w4a16_slices(k) : 1;
  for (shared.parts = 1; shared.parts <= most; ++shared.parts) {
    shared.cycles = cycles(machine, shared, n, k);
    if (shared.parts == 1 || shared.cycles < plan->cycles) *plan = shared;
  }
}

}  // namespace gemm_model

// The plan with the fewest cycles, for activations of `terms` 16-bit numbers. What is left of whole
// tiles may cost less as a product of its own: a row more is not a row of large tiles more.
inline GemmW4A16Plan plan_gemm_w4a16(int64_t m, int64_t n, int64_t k, int terms,
                                     const GemmMachine& machine) {
  GemmW4A16Plan best;
  for (int t = 0; t < kGemmW4A16TileCount; ++t) {
    const GemmW4A16Tile& tile = kGemmW4A16Tiles[t];
    if (tile.terms != terms || tile.shared_bytes() > machine.block_bytes) continue;
    const int64_t left = m % tile.m;
    for (const int64_t rows : {m, m - left}) {
      if (rows == 0 || (rows == best.rows && best.tile == t)) continue;
      GemmW4A16Plan plan{t, rows, divide_up(rows, tile.m), divide_up(n, tile.n)};
      gemm_model::share_tiles(machine, n, k, &plan);
      if (best.rows > 0 && plan.cycles >= best.cycles) continue;
      if (rows < m) plan.cycles += plan_gemm_w4a16(left, n, k, terms, machine).cycles;
      if (best.rows == 0 || plan.cycles < best.cycles) best = plan;
    }
  }
  return best;
}

}  // namespace halfword
