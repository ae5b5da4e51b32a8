// Tiles for up to 64 rows of a.
#include "cuda/gemm_int8_kernel.cuh"

namespace halfword {

template cudaError_t launch_gemm<0>(const GemmKernelParams&, cudaStream_t);
template cudaError_t launch_gemm<1>(const GemmKernelParams&, cudaStream_t);

}  // namespace halfword
