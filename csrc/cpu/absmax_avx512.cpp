// Compiled with flags of its own: includes intrinsics and loops only, and calls nothing inline from
// a header that baseline code shares, or the linker could keep this copy for older machines.
#include "cpu/simd_avx512.h"
// The loop is written in the vocabulary above.
#include "cpu/absmax_loop.h"

namespace halfword {

BlockRangesLoop block_ranges_avx512(Dtype dtype) { return select_block_ranges(dtype); }

}  // namespace halfword
