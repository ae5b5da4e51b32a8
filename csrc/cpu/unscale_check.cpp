// Each tile gives a flag and a sum of squares; the sums are kept one a tile and added at the end in
// the order of the contract, whoever made them.
#include "ops/unscale_check.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/cpu_isa.h"
#include "cpu/gather.h"
#include "cpu/tiles.h"
#include "cpu/unscale_check_run.h"

namespace halfword {
namespace {

constexpr int64_t kTile = UnscaleCheckParams::kTile;

UnscaleCheckLoop choose_loop(Dtype dtype) {
  static constexpr IsaTable<decltype(&unscale_check_loop_portable)> kLoops =
      HALFWORD_ISA_TABLE(unscale_check_loop);
  return kLoops.pick()(dtype);
}

void copy_tile(const UnscaleCheckTensor& t, const Tile& tile, char* dense, bool to_dense) {
  const size_t size = element_size(t.dtype);
  const auto copy = [&](int64_t offset, int64_t stride, int64_t done, int64_t length) {
    char* strided = advance(static_cast<char*>(t.grad), offset, size);
    char* packed = advance(dense, done, size);
    if (to_dense) {
      copy_elements(packed, 1, strided, stride, length, size);
    } else {
      copy_elements(strided, stride, packed, 1, length, size);
    }
  };
  if (t.layout == nullptr) return copy(tile.begin, 1, 0, tile.end - tile.begin);
  int64_t done = 0;
  for_each_row(*t.layout, tile.begin, tile.end, [&](const int64_t* offsets, int64_t length) {
    copy(offsets[0], t.layout->strides[0].empty() ? 1 : t.layout->strides[0].back(), done, length);
    done += length;
  });
}

UnscaleCheckResult run_tile(const UnscaleCheckParams& params, const Tile& tile) {
  const UnscaleCheckTensor& t = params.tensors[tile.tensor];
  const size_t size = element_size(t.dtype);
  const int64_t count = tile.end - tile.begin;
  UnscaleCheckRun run{advance(static_cast<char*>(t.grad), tile.begin, size), count,
                      *params.inv_scale, params.write, params.norm != nullptr};
  if (t.layout == nullptr && count % kVectorMultiple == 0) return choose_loop(t.dtype)(run);

  // Zeros behind the last element change neither the largest magnitude nor the sum.
  alignas(64) char dense[kTile * 4];
  run.grad = dense;
  run.count = round_up_to_vectors(count);
  std::memset(advance(dense, count, size), 0, static_cast<size_t>(run.count - count) * size);
  copy_tile(t, tile, dense, /*to_dense=*/true);
  const UnscaleCheckResult result = choose_loop(t.dtype)(run);
  if (params.write) copy_tile(t, tile, dense, /*to_dense=*/false);
  return result;
}

float norm_of(const std::vector<float>& tile_sums) {
  std::vector<double> slots(UnscaleCheckParams::kSlots, 0.0);
  for (size_t k = 0; k < tile_sums.size(); ++k) {
    slots[k % slots.size()] += static_cast<double>(tile_sums[k]);
  }
  for (size_t half = slots.size() / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) slots[i] += slots[i + half];
  }
  return static_cast<float>(std::sqrt(slots[0]));
}

}  // namespace

void unscale_check_cpu(const UnscaleCheckParams& params, ParallelFor parallel) {
  const TileList tiles(params.count, kTile, [&](int64_t i) { return params.tensors[i].numel; });
  std::vector<float> sums(params.norm ? tiles.tiles() : 0);
  std::atomic<bool> found_inf{false};
  tiles.parallel_for_each(parallel, [&](int64_t k, const Tile& tile) {
    const UnscaleCheckResult result = run_tile(params, tile);
    if (result.found_inf) found_inf.store(true, std::memory_order_relaxed);
    if (params.norm) sums[k] = result.sum_of_squares;
  });
  if (found_inf) *params.found_inf = 1.0f;
  if (params.norm) *params.norm = norm_of(sums);
}

}  // namespace halfword
