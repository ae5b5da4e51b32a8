// The requantization loop for any machine.
#include "core/requantize_math.h"
#include "cpu/requantize_run.h"

namespace halfword {

void requantize_loop_portable(const RequantizeRun& run) {
  for (int64_t i = 0; i < run.count; ++i) {
    const FixedPoint factor = fixed_point(run.multiplier.of(i), run.shift.of(i));
    const int64_t code = requantized(run.acc[i], factor, run.zero_point, run.lowest, run.highest);
    run.codes[i] = static_cast<int8_t>(code);
  }
}

}  // namespace halfword
