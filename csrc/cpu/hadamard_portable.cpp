// The loop for any machine.
#include "cpu/simd_portable.h"
// The loop is written in the vocabulary above.
#include "cpu/hadamard_loop.h"

namespace halfword {

HadamardLoop hadamard_loop_portable(Dtype dtype) { return select_hadamard_loop(dtype); }

}  // namespace halfword
