// Which random words an Adam step rounds with (ops/adam_step.h), written once.
#pragma once

#include <cstdint>

#include "core/philox.h"

namespace halfword {

// What the bits of an element are for.
enum AdamPurpose { kParamBits, kExpAvgBits, kExpAvgSqBits, kMaxExpAvgSqBits, kAdamPurposes };

struct AdamRandomKey {
  uint64_t seed;
  uint32_t step;
  uint32_t stream;
  int purpose;  // an AdamPurpose
};

// The words of elements [8 * call, 8 * call + 8) of a parameter, for the call or the vector of them
// whose number has these low words and this high one.
template <class U>
HALFWORD_INLINE PhiloxWords<U> adam_random(const AdamRandomKey& key, U low, uint32_t high) {
  const uint32_t draw = key.stream * kAdamPurposes + static_cast<uint32_t>(key.purpose);
  return philox4x32<U>({{low, high, key.step, draw}}, key.seed);
}

}  // namespace halfword
