// Not there yet.
#include "ops/gemm_w4a8.h"

#include <cuda_runtime_api.h>

namespace halfword {

size_t gemm_w4a8_scratch_bytes(const GemmW4A8Params&) { return 0; }

CudaStatus gemm_w4a8_cuda(const GemmW4A8Params&, void*, CudaStream) {
  return cudaErrorNotSupported;
}

}  // namespace halfword
