// The 16 random bits of each element in a block, for stochastic rounding.
// Include after one of the simd_*.h headers.
#pragma once

#include <cstdint>

#include "core/philox.h"

namespace halfword {
namespace {

// Two vectors of calls, whose chains of multiplications run side by side.
struct CallWordPair {
  CallWord a;
  CallWord b;
  HALFWORD_INLINE CallWordPair() = default;
  HALFWORD_INLINE CallWordPair(CallWord first, CallWord second) : a(first), b(second) {}
  HALFWORD_INLINE CallWordPair(uint32_t x) : a(x), b(x) {}
};
HALFWORD_INLINE CallWordPair operator^(CallWordPair x, CallWordPair y) {
  return {x.a ^ y.a, x.b ^ y.b};
}
HALFWORD_INLINE CallWordPair multiply_wide(CallWordPair x, uint32_t y, CallWordPair* high) {
  const CallWord a = multiply_wide(x.a, y, &high->a);
  return {a, multiply_wide(x.b, y, &high->b)};
}

// The words of kCallLanes calls from `call` on, behind one another.
HALFWORD_INLINE void random_calls(const RandomStream& stream, int64_t call, uint32_t* out) {
  const auto number = static_cast<uint64_t>(call);
  const auto words = random_words<CallWord>(stream, counting_from(static_cast<uint32_t>(number)),
                                            static_cast<uint32_t>(number >> 32));
  store_calls(out, words.word);
}

// The same of twice as many.
HALFWORD_INLINE void random_call_pairs(const RandomStream& stream, int64_t call, uint32_t* out) {
  const auto first = static_cast<uint64_t>(call), second = first + kCallLanes;
  const CallWordPair low(counting_from(static_cast<uint32_t>(first)),
                         counting_from(static_cast<uint32_t>(second)));
  const CallWordPair high(CallWord(static_cast<uint32_t>(first >> 32)),
                          CallWord(static_cast<uint32_t>(second >> 32)));
  const auto drawn =
      philox4x32<CallWordPair>({{low, high, stream.high[0], stream.high[1]}}, stream.seed);
  const auto& [w0, w1, w2, w3] = drawn.word;
  store_calls(out, {w0.a, w1.a, w2.a, w3.a});
  store_calls(out + 4 * kCallLanes, {w0.b, w1.b, w2.b, w3.b});
}

// For `count` consecutive elements from a multiple of kRandomBlock; a call's words are the bits of
// its elements as they lie in memory. The calls of a block never carry into the high word.
HALFWORD_INLINE void fill_random(const RandomStream& stream, int64_t first_element, int64_t count,
                                 uint16_t* out) {
  const int64_t first = first_element / kElementsPerPhilox;
  auto* words = reinterpret_cast<uint32_t*>(out);
  const int64_t calls = (count + kElementsPerPhilox - 1) / kElementsPerPhilox;
  int64_t call = 0;
  for (; call + kCallLanes < calls; call += 2 * kCallLanes) {
    random_call_pairs(stream, first + call, words + 4 * call);
  }
  if (call < calls) random_calls(stream, first + call, words + 4 * call);
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
