// Tiles for many rows of a.
#include "cuda/gemm_int8_kernel.cuh"

namespace halfword {

template cudaError_t launch_gemm<2>(const GemmKernelParams&, cudaStream_t);
template cudaError_t launch_gemm<3>(const GemmKernelParams&, cudaStream_t);
template cudaError_t launch_gemm<4>(const GemmKernelParams&, cudaStream_t);

}  // namespace halfword
