// Rows are shared out; each thread has the weight as FP32 and a row of its own.
#include "ops/norm_quantize.h"

#include "core/cpu_isa.h"
#include "cpu/norm_quantize_run.h"
#include "cpu/row_share.h"

namespace halfword {

void norm_quantize_cpu(const NormQuantizeParams& params, ParallelFor parallel) {
  static constexpr IsaTable<decltype(&norm_quantize_loop_portable)> kLoops =
      HALFWORD_ISA_TABLE(norm_quantize_loop);
  const NormQuantizeLoop loop = kLoops.pick()(params.dtype);
  share_rows(parallel, params.rows, params.cols, 3 * norm_row_floats(params.cols),
             [&](int64_t begin, int64_t end, float* floats) { loop(params, begin, end, floats); });
}

}  // namespace halfword
