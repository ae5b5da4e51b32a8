// Tiles for few rows of a.
#include "cuda/gemm_w4a8_kernel.cuh"

namespace halfword {

template cudaError_t launch_gemm_w4a8<0>(const GemmW4A8KernelParams&, cudaStream_t);

}  // namespace halfword
