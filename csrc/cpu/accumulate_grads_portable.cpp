// The accumulation loop for any machine.
#include "cpu/simd_portable.h"
// The loop is written in the vocabulary above.
#include "cpu/accumulate_grads_loop.h"

namespace halfword {

AccumulateGradsLoop accumulate_grads_loop_portable(Dtype dtype) {
  return select_accumulate_grads_loop(dtype);
}

}  // namespace halfword
