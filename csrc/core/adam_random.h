// Which random words an Adam step rounds with (ops/adam_step.h), written once.
#pragma once

#include <cstdint>

#include "core/philox.h"

namespace halfword {

// What the bits of an element are for.
enum AdamPurpose { kParamBits, kExpAvgBits, kExpAvgSqBits, kMaxExpAvgSqBits, kAdamPurposes };

// What rounds one purpose's elements of a parameter in one step.
HALFWORD_INLINE RandomStream adam_random(uint64_t seed, uint32_t step, uint32_t stream,
                                         int purpose) {
  return {seed, {step, stream * kAdamPurposes + static_cast<uint32_t>(purpose)}};
}

}  // namespace halfword
