// Host side: tensor maps through the driver's entry point, as a program without libcuda makes them.
#pragma once

#include <cuda.h>
#include <cuda_runtime.h>

#include <cstdint>

// What a tiled tensor map is made of; sizes and boxes innermost first, strides in bytes.
struct TensorMapShape {
  CUtensorMapDataType type;
  uint32_t rank;
  uint64_t size[5];
  uint64_t stride[4];
  uint32_t box[5];
  CUtensorMapSwizzle swizzle = CU_TENSOR_MAP_SWIZZLE_NONE;
  CUtensorMapFloatOOBfill fill = CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE;
};

inline CUresult make_tensor_map(CUtensorMap* map, const void* base, const TensorMapShape& shape) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found;
  constexpr unsigned kSince = 12000;  // the CUDA version of the function
  const cudaError_t error = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function,
                                                             kSince, cudaEnableDefault, &found);
  if (error != cudaSuccess || function == nullptr) return CUDA_ERROR_NOT_FOUND;
  const uint32_t ones[5] = {1, 1, 1, 1, 1};
  return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(function)(
      map, shape.type, shape.rank, const_cast<void*>(base), shape.size, shape.stride, shape.box,
      ones, CU_TENSOR_MAP_INTERLEAVE_NONE, shape.swizzle, CU_TENSOR_MAP_L2_PROMOTION_NONE,
      shape.fill);
}
