// Tiles for FP32 activations, in three BF16 terms.
#include "cuda/gemm_w4a16_kernel.cuh"

namespace halfword {

template cudaError_t launch_gemm_w4a16<5, BFloat16Pairs>(const GemmW4A16KernelParams&,
                                                         cudaStream_t);
template cudaError_t launch_gemm_w4a16<6, BFloat16Pairs>(const GemmW4A16KernelParams&,
                                                         cudaStream_t);

}  // namespace halfword
