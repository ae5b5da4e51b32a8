// The packing loop for any machine.
#include "cpu/pack_int8_run.h"

namespace halfword {

void pack_int8_loop_portable(const PackPanel& p) {
  const int64_t steps = (p.k + 3) / 4;
  for (int64_t row = 0; row < p.width; ++row) {
    const int8_t* b = p.b + row * p.row_stride;
    const int64_t count = row < p.rows ? p.k : 0;
    uint32_t sum = 0;
    for (int64_t k = 0; k < 4 * steps; ++k) {
      const int value = k < count ? b[k] : 0;
      p.packed[(k / 4 * p.width + row) * 4 + k % 4] = static_cast<uint8_t>(value + 128);
      sum += static_cast<uint32_t>(value);
    }
    if (p.sums != nullptr && row < p.rows) p.sums[row] = static_cast<int32_t>(sum);
  }
}

}  // namespace halfword
