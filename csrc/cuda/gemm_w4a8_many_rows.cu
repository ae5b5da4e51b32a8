// Tiles for many rows of a.
#include "cuda/gemm_w4a8_kernel.cuh"

namespace halfword {

template cudaError_t launch_gemm_w4a8<1>(const GemmW4A8KernelParams&, cudaStream_t);
template cudaError_t launch_gemm_w4a8<2>(const GemmW4A8KernelParams&, cudaStream_t);

}  // namespace halfword
