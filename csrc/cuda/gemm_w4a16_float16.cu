// Tiles for FP16 activations.
#include "cuda/gemm_w4a16_kernel.cuh"

namespace halfword {

template cudaError_t launch_gemm_w4a16<0, Float16Pairs>(const GemmW4A16KernelParams&, cudaStream_t);
template cudaError_t launch_gemm_w4a16<1, Float16Pairs>(const GemmW4A16KernelParams&, cudaStream_t);
template cudaError_t launch_gemm_w4a16<2, Float16Pairs>(const GemmW4A16KernelParams&, cudaStream_t);
template cudaError_t launch_gemm_w4a16<3, Float16Pairs>(const GemmW4A16KernelParams&, cudaStream_t);
template cudaError_t launch_gemm_w4a16<4, Float16Pairs>(const GemmW4A16KernelParams&, cudaStream_t);

}  // namespace halfword
