// The 16 random bits of each element in a block, for stochastic rounding.
// Include after one of the simd_*.h headers.
#pragma once

#include <cstdint>

#include "core/philox.h"

namespace halfword {
namespace {

constexpr int kRandomPurposes = 4;  // parameter, exp_avg, exp_avg_sq, max_exp_avg_sq

struct RandomKey {
  uint64_t seed;
  uint32_t step;
  uint32_t stream;
  int purpose;
};

HALFWORD_INLINE PhiloxWords<U32> random_words(const RandomKey& key, U32 block_low,
                                              uint32_t block_high) {
  const uint32_t draw = key.stream * kRandomPurposes + static_cast<uint32_t>(key.purpose);
  return philox4x32<U32>({{block_low, block_high, key.step, draw}}, key.seed);
}

// For `count` consecutive elements from a multiple of kRandomBlock; count divides into blocks.
// Lane l makes the words of the l-th Philox call; the calls of a block lie behind one another.
HALFWORD_INLINE void fill_random(const RandomKey& key, int64_t first_element, int64_t count,
                                 uint16_t* out) {
  const int64_t calls = (count + kElementsPerPhilox - 1) / kElementsPerPhilox;
  const int64_t first = first_element / kElementsPerPhilox;
  for (int64_t call = 0; call < calls; call += kLanes) {
    // A block is aligned, so that the low words of its calls do not carry into the high one.
    const auto block = static_cast<uint64_t>(first + call);
    const U32 low = U32(static_cast<uint32_t>(block)) + lane_numbers();
    const auto words = random_words(key, low, static_cast<uint32_t>(block >> 32));
    uint32_t lanes[4][kLanes];
    for (int w = 0; w < 4; ++w) store_words(lanes[w], words.word[w]);
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      for (int w = 0; w < 4; ++w) {
        out[(call + lane) * 8 + 2 * w] = static_cast<uint16_t>(lanes[w][lane]);
        out[(call + lane) * 8 + 2 * w + 1] = static_cast<uint16_t>(lanes[w][lane] >> 16);
      }
    }
  }
}

// For elements in any order.
HALFWORD_INLINE void gather_random(const RandomKey& key, const int64_t* elements, int64_t count,
                                   uint16_t* out) {
  for (int64_t i = 0; i < count; ++i) {
    const auto block = static_cast<uint64_t>(elements[i] / kElementsPerPhilox);
    const auto place = elements[i] % kElementsPerPhilox;
    const auto words =
        random_words(key, U32(static_cast<uint32_t>(block)), static_cast<uint32_t>(block >> 32));
    uint32_t lanes[kLanes];
    store_words(lanes, words.word[place / 2]);
    out[i] = static_cast<uint16_t>(lanes[0] >> (16 * (place % 2)));
  }
}

}  // namespace
}  // namespace halfword
