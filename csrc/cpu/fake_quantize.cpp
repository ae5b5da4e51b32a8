// The cells of quantize (cpu/quantize.cpp), with loops that store values.
#include "ops/fake_quantize.h"

#include "core/cpu_isa.h"
#include "cpu/fake_quantize_run.h"

namespace halfword {

void fake_quantize_cpu(const FakeQuantizeParams& params, ParallelFor parallel) {
  static constexpr IsaTable<decltype(&fake_quantize_loop_portable)> kLoops =
      HALFWORD_ISA_TABLE(fake_quantize_loop);
  const QuantizeParams& quantize = params.quantize;
  const QuantizeOut out{nullptr, params.out, nullptr, quantize.blocks.cols};
  run_quantize_loop(quantize, out, kLoops.pick()(quantize.dtype), parallel);
}

}  // namespace halfword
