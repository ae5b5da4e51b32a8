// The range loop for any machine.
#include "cpu/simd_portable.h"
// The loop is written in the vocabulary above.
#include "cpu/absmax_loop.h"

namespace halfword {

BlockRangesLoop block_ranges_portable(Dtype dtype) { return select_block_ranges(dtype); }

}  // namespace halfword
