// Compiled with flags of its own: includes intrinsics and loops only, and calls nothing inline from
// a header that baseline code shares, or the linker could keep this copy for older machines.
//
// The kernels of AVX-VNNI for machines that have its instruction as part of AVX-512 only.
#define HALFWORD_DPBUSD "vpdpbusd"
#include "cpu/simd_avx2.h"
// The kernels are written in the vocabulary above.
#include "cpu/gemm_int8_ymm.h"

namespace halfword {

const GemmInt8Kernels gemm_int8_kernels_evex_avx512vnni = {1, pack_strip, tile, dots, finish_tile};

}  // namespace halfword
