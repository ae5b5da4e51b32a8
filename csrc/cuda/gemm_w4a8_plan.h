// Which tiles a product with 4-bit weights is cut into: the choice of gemm_int8_plan.h, for blocks
// that walk all of k, because the FP32 sums of the groups have an order.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cuda/gemm_int8_plan.h"
#include "ops/gemm_w4a8.h"

namespace halfword {

// A block multiplies m rows of a and n rows of b, k columns at a time. Its warps divide m and n.
struct GemmW4A8Tile {
  int m;
  int n;
  int k;
  int warps_m;
  int warps_n;
  int stages;

  HALFWORD_INLINE constexpr int warp_m() const { return m / warps_m; }
  HALFWORD_INLINE constexpr int warp_n() const { return n / warps_n; }
  HALFWORD_INLINE constexpr int threads() const { return 32 * warps_m * warps_n; }
  HALFWORD_INLINE constexpr int k32s() const { return k / 32; }  // in a step
  HALFWORD_INLINE constexpr int stage_bytes() const { return m * k + n * k / 2; }
  // k32s whose weights one ldmatrix reads.
  HALFWORD_INLINE constexpr int k32s_at_once() const { return 32 / warp_n(); }

  // What a part of k has of scales and the like lies in a slot. From the fold of one part, a
  // k32 after its end, to the copies of the last one in flight, each k32 may be a part.
  HALFWORD_INLINE constexpr int slots() const { return stages * k32s() + k32s_at_once() + 1; }
  // 16 bytes more, because a row of a table begins anywhere in a chunk.
  HALFWORD_INLINE constexpr int floats_bytes() const { return 4 * n + 16; }
  HALFWORD_INLINE constexpr int slot_bytes(bool has_offset) const {
    return has_offset ? 2 * floats_bytes() + 4 * m : floats_bytes() + n + 16;
  }
  HALFWORD_INLINE constexpr int shared_bytes(bool has_offset) const {
    return stages * stage_bytes() + slots() * slot_bytes(has_offset);
  }
};

// Few rows are a matter of reading b, which narrow tiles share out to all multiprocessors.
constexpr GemmW4A8Tile kGemmW4A8Tiles[] = {
    {16, 32, 256, 1, 4, 6},
    {64, 64, 128, 2, 2, 4},
    {128, 128, 64, 2, 4, 4},
};
constexpr int kGemmW4A8TileCount = sizeof kGemmW4A8Tiles / sizeof kGemmW4A8Tiles[0];

struct GemmW4A8Plan {
  int tile = 0;  // of kGemmW4A8Tiles
  int64_t m_tiles = 0;
  int64_t n_tiles = 0;
  int64_t steps = 0;  // of the tile's k
  double cycles = 0;  // modelled
};

namespace gemm_model {

// Of a block; group: columns.
inline double block_cycles(const GemmMachine& machine, const GemmW4A8Tile& tile, double steps,
                           double group) {
  constexpr double kLanes = 64;  // that a multiprocessor has for FP32, and for integers
  constexpr double kUnpack = 7;  // instructions for eight weights
  constexpr double kFold = 3;    // for a sum, once in a group
  const double m = tile.m, n = tile.n, k = tile.k;
  const double math = m * n * k / machine.macs;
  const double unpack = n * k / 8 * kUnpack * tile.warps_m / kLanes;
  const double fold = m * n * kFold / kLanes * k / group;
  const double copied = m * k + n * k / 2;
  const double read = m * k * tile.warps_n + n * k / 2 * tile.warps_m;
  const double shared = (copied + read) / machine.shared_bytes;
  const double step = std::max({math, unpack, fold, shared, copied / machine.cache_bytes});
  return kFill + steps * (step + kStepCycles) + 2 * m * n * kStageBytes / machine.shared_bytes;
}

}  // namespace gemm_model

// The plan with the fewest cycles.
inline GemmW4A8Plan plan_gemm_w4a8(int64_t m, int64_t n, int64_t k, int64_t group,
                                   const GemmMachine& machine) {
  const auto rows = static_cast<double>(m), columns = static_cast<double>(n);
  const double moved =
      (rows + columns / 2) * static_cast<double>(k) + rows * columns * gemm_model::kOutBytes;
  const double memory = moved / (machine.processors * machine.memory_bytes);
  GemmW4A8Plan best;
  for (int t = 0; t < kGemmW4A8TileCount; ++t) {
    const GemmW4A8Tile& tile = kGemmW4A8Tiles[t];
    GemmW4A8Plan plan{t, divide_up(m, tile.m), divide_up(n, tile.n), divide_up(k, tile.k)};
    const auto waves =
        static_cast<double>(divide_up(plan.m_tiles * plan.n_tiles, int64_t{machine.processors}));
    const double block = gemm_model::block_cycles(machine, tile, static_cast<double>(plan.steps),
                                                  static_cast<double>(group));
    plan.cycles = gemm_model::kLaunch + std::max(waves * block, gemm_model::kFill + memory);
    if (best.m_tiles == 0 || plan.cycles < best.cycles) best = plan;
  }
  return best;
}

}  // namespace halfword
