// Philox4x32-7: random words that are a pure function of (key, counter), so that a rounded tensor
// depends on no thread count, layout or call order, and a resumed run repeats.
//
// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <cstdint>

#include "core/host_device.h"

namespace halfword {

// Seven rounds are the fewest of which the paper reports that all of BigCrush passes; the ten that
// are usual elsewhere leave a margin that rounding has no use for.
constexpr int kPhiloxRounds = 7;

// Elements [8k, 8k + 8) share one call: word w of it holds the 16 bits of elements 2w and 2w + 1.
constexpr int kElementsPerPhilox = 8;

template <class U>
struct PhiloxWords {
  U word[4];
};

// U is a vector of 32-bit words; multiply_wide(a, constant, &high) returns the low half.
template <class U>
HALFWORD_INLINE PhiloxWords<U> philox4x32(PhiloxWords<U> counter, uint64_t key) {
  auto key0 = static_cast<uint32_t>(key);
  auto key1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    U high0, high1;
    const U low0 = multiply_wide(counter.word[0], 0xd2511f53u, &high0);
    const U low1 = multiply_wide(counter.word[2], 0xcd9e8d57u, &high1);
    counter = {{high1 ^ counter.word[1] ^ key0, low1, high0 ^ counter.word[3] ^ key1, low0}};
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  return counter;
}

// One of all random sequences: a key, and the counter words that a call's number leaves.
struct RandomStream {
  uint64_t seed;
  uint32_t high[2];
};

// The words of elements [8 * call, 8 * call + 8) of a sequence, for the call or the vector of them
// whose number has these low words and this high one.
template <class U>
HALFWORD_INLINE PhiloxWords<U> random_words(const RandomStream& stream, U low, uint32_t high) {
  return philox4x32<U>({{low, high, stream.high[0], stream.high[1]}}, stream.seed);
}

}  // namespace halfword
