// The 16 random bits of each element in a block, for stochastic rounding.
// Include after one of the simd_*.h headers.
#pragma once

#include <cstdint>

#include "core/philox.h"

namespace halfword {
namespace {

// The words of kCallLanes calls from `call` on, behind one another.
HALFWORD_INLINE void random_calls(const RandomStream& stream, int64_t call, uint32_t* out) {
  const auto number = static_cast<uint64_t>(call);
  const auto words = random_words<CallWord>(stream, counting_from(static_cast<uint32_t>(number)),
                                            static_cast<uint32_t>(number >> 32));
  store_calls(out, words.word);
}

// For `count` consecutive elements from a multiple of kRandomBlock; a call's words are the bits of
// its elements as they lie in memory. The calls of a block never carry into the high word.
HALFWORD_INLINE void fill_random(const RandomStream& stream, int64_t first_element, int64_t count,
                                 uint16_t* out) {
  const int64_t first = first_element / kElementsPerPhilox;
  auto* words = reinterpret_cast<uint32_t*>(out);
  for (int64_t call = 0; call * kElementsPerPhilox < count; call += kCallLanes) {
    random_calls(stream, first + call, words + 4 * call);
  }
}

// For elements in any order.
HALFWORD_INLINE void gather_random(const RandomStream& stream, const int64_t* elements,
                                   int64_t count, uint16_t* out) {
  for (int64_t i = 0; i < count; ++i) {
    uint32_t words[4 * kCallLanes];
    random_calls(stream, elements[i] / kElementsPerPhilox, words);
    const auto place = elements[i] % kElementsPerPhilox;
    out[i] = static_cast<uint16_t>(words[place / 2] >> (16 * (place % 2)));
  }
}

}  // namespace
}  // namespace halfword
