// The quantizing loop for any machine.
#include "cpu/simd_portable.h"
// The loop is written in the vocabulary above.
#include "cpu/quantize_loop.h"

namespace halfword {

QuantizeLoop quantize_loop_portable(Dtype dtype) { return select_quantize_loop(dtype); }

}  // namespace halfword
