// Warp-wide instructions: what they compute, and what is wrong to ask of them.
#include "kernels/engine_case.h"

namespace {

// A shuffle with its predicate output: 64 * in_range + value.
#define SHUFFLE(mode)                                         \
  __device__ int shuffle_##mode(int value, int b, int c) {    \
    int result;                                               \
    asm volatile("{ .reg .pred p; shfl.sync." #mode           \
                 ".b32 %0|p, %1, %2, %3, -1; @p add.s32 %0, " \
                 "%0, 64; }"                                  \
                 : "=r"(result)                               \
                 : "r"(value), "r"(b), "r"(c));               \
    return result;                                            \
  }
SHUFFLE(up)
SHUFFLE(down)
SHUFFLE(bfly)
SHUFFLE(idx)

}  // namespace

// data[(mode * 2 + segmented) * 32 + lane], of the lane numbers, by 3; segments of 8.
CASE(shuffles, 1, 32) {
  const int lane = threadIdx.x;
  for (int segmented = 0; segmented < 2; ++segmented) {
    const int segments = segmented ? 24 << 8 : 0;
    int* out = data + segmented * 32 + lane;
    out[0] = shuffle_up(lane, 3, segments);
    out[64] = shuffle_down(lane, 3, segments | 31);
    out[128] = shuffle_bfly(lane, 3, segments | 31);
    out[192] = shuffle_idx(lane, 3, segments | 31);
  }
}

// A row of 32 for each instruction.
CASE(votes, 1, 32) {
  const int lane = threadIdx.x;
  const unsigned odd = 0xaaaaaaaa;
  data[lane] = __ballot_sync(kFullMask, lane % 3 == 0);
  data[32 + lane] = __any_sync(kFullMask, lane == 5) + 2 * __any_sync(kFullMask, lane > 40);
  data[64 + lane] = __all_sync(kFullMask, lane < 32) + 2 * __all_sync(kFullMask, lane != 5);
  data[96 + lane] = __match_any_sync(kFullMask, lane / 10);
  int all = 0;
  data[128 + lane] = __match_all_sync(kFullMask, lane / 32, &all) + all;
  if (lane % 2 == 1) {
    data[160 + lane] = __reduce_add_sync(odd, lane);
    data[192 + lane] = __reduce_min_sync(odd, lane - 20);
    data[224 + lane] = __reduce_max_sync(odd, static_cast<unsigned>(lane - 20));
    data[256 + lane] = __reduce_xor_sync(odd, lane);
  }
}

// Two halves that never meet, each with its own mask, at the same instruction.
CASE(halves, 1, 32) {
  const int lane = threadIdx.x;
  const unsigned mask = lane < 16 ? 0x0000ffffu : 0xffff0000u;
  for (int i = 0; i < 4 + lane / 16; ++i) {
    data[lane] += __shfl_xor_sync(mask, lane, 1);
  }
}

// A block that is no whole number of warps: the lanes it lacks need not arrive.
CASE(partial_warp, 1, 40) {
  data[threadIdx.x] = __shfl_xor_sync(kFullMask, static_cast<int>(threadIdx.x), 1);
  __syncwarp();
}

CASE(not_in_own_mask, 1, 32) {
  __syncwarp(0xffffffdf);  // <- not_in_own_mask
}

CASE(exited_lane, 1, 32) {
  if (threadIdx.x == 3) return;
  data[threadIdx.x] = __shfl_sync(kFullMask, data[threadIdx.x], 0);  // <- exited_lane
}

CASE(reads_absent_lane, 1, 32) {
  if (threadIdx.x < 16) {
    data[threadIdx.x] = __shfl_sync(0xffff, data[threadIdx.x], 20);  // <- reads_absent_lane
  }
}

CASE(different_masks, 1, 32) {
  const unsigned mask = threadIdx.x < 8 ? 0xffffffffu : 0xffffff00u;
  data[threadIdx.x] = __ballot_sync(mask, 1);  // <- different_masks
  if (threadIdx.x >= 8) __syncthreads();       // <- waits_elsewhere
}
