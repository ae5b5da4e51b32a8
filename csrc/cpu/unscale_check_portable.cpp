// The gradient loop for any machine.
#include "cpu/simd_portable.h"
// The loop is written in the vocabulary above.
#include "cpu/unscale_check_loop.h"

namespace halfword {

UnscaleCheckLoop unscale_check_loop_portable(Dtype dtype) {
  return select_unscale_check_loop(dtype);
}

}  // namespace halfword
