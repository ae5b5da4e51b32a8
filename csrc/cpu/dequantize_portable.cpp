// The dequantizing loop for any machine.
#include "cpu/simd_portable.h"
// The loop is written in the vocabulary above.
#include "cpu/dequantize_loop.h"

namespace halfword {

DequantizeLoop dequantize_loop_portable(Dtype dtype) { return select_dequantize_loop(dtype); }

}  // namespace halfword
