// The way to the driver's functions. There is one: the encoder of tensor maps.
#include <cuda_runtime_api.h>

#include <cstring>

#include "cudart/runtime.h"
#include "engine/tensor_map.h"

using namespace softgpu::cudart;

namespace {

void find(const char* symbol, void** function, cudaDriverEntryPointQueryResult* found) {
  const bool known = std::strcmp(symbol, "cuTensorMapEncodeTiled") == 0;
  *function = known ? reinterpret_cast<void*>(&softgpu_cuTensorMapEncodeTiled) : nullptr;
  if (found) *found = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
}

}  // namespace

extern "C" {

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult* found) {
  return enter([&] { find(symbol, function, found); });
}

cudaError_t cudaGetDriverEntryPoint(const char* symbol, void** function, unsigned long long,
                                    cudaDriverEntryPointQueryResult* found) {
  return enter([&] { find(symbol, function, found); });
}

}  // extern "C"
