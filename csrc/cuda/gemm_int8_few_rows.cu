// Tiles for up to 32 rows of a.
#include "cuda/gemm_int8_kernel.cuh"

namespace halfword {

template cudaError_t launch_gemm<0>(const GemmKernelParams&, int64_t, cudaStream_t);
template cudaError_t launch_gemm<1>(const GemmKernelParams&, int64_t, cudaStream_t);

}  // namespace halfword
