// Rows are shared out; each thread has a row of its own.
#include "ops/silu_mul_quantize.h"

#include "core/cpu_isa.h"
#include "cpu/row_share.h"
#include "cpu/silu_mul_quantize_run.h"

namespace halfword {

void silu_mul_quantize_cpu(const SiluMulQuantizeParams& params, ParallelFor parallel) {
  static constexpr IsaTable<decltype(&silu_mul_quantize_loop_portable)> kLoops =
      HALFWORD_ISA_TABLE(silu_mul_quantize_loop);
  const SiluMulQuantizeLoop loop = kLoops.pick()(params.dtype);
  share_rows(parallel, params.rows, params.cols, params.cols + 16,
             [&](int64_t begin, int64_t end, float* y) { loop(params, begin, end, y); });
}

}  // namespace halfword
