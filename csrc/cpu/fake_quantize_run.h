// The loops of fake_quantize are those of quantize, with another end.
#pragma once

#include "cpu/quantize_run.h"
#include "ops/fake_quantize.h"

namespace halfword {

QuantizeLoop fake_quantize_loop_portable(Dtype dtype);
QuantizeLoop fake_quantize_loop_avx2(Dtype dtype);
QuantizeLoop fake_quantize_loop_avx512(Dtype dtype);

}  // namespace halfword
