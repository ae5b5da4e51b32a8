// The counting loop for any machine.
#include "cpu/simd_portable.h"
// The loop is written in the vocabulary above.
#include "cpu/histogram_loop.h"

namespace halfword {

HistogramLoop histogram_loop_portable(Dtype dtype) { return select_histogram_loop(dtype); }

}  // namespace halfword
