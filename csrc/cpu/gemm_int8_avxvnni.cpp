// Compiled with flags of its own: includes intrinsics and loops only, and calls nothing inline from
// a header that baseline code shares, or the linker could keep this copy for older machines.
#define HALFWORD_DPBUSD "%{vex%} vpdpbusd"
#include "cpu/simd_avx2.h"
// The kernels are written in the vocabulary above.
#include "cpu/gemm_int8_ymm.h"

namespace halfword {

const GemmInt8Kernels gemm_int8_kernels_avxvnni = {1, pack_strip, tile, dots, finish_tile};

}  // namespace halfword
