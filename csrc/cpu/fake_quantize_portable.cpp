// The loops for any machine.
#include "cpu/simd_portable.h"
// The loops are written in the vocabulary above.
#include "cpu/fake_quantize_loop.h"

namespace halfword {

QuantizeLoop fake_quantize_loop_portable(Dtype dtype) { return select_fake_quantize_loop(dtype); }

}  // namespace halfword
