// Copies and fills, as operations of a stream.
#pragma once

#include <cstddef>

#include <cuda_runtime_api.h>

namespace softgpu::cudart {

// `rows` rows of `width` bytes; a pitch is the distance from one to the next.
struct Copy {
  char* to;
  size_t to_pitch;
  const char* from;
  size_t from_pitch;
  size_t width;
  size_t rows;
  cudaMemcpyKind kind;
};

struct Fill {
  char* to;
  size_t pitch;
  int value;
  size_t width;
  size_t rows;
};

void copy_async(const Copy& copy, cudaStream_t stream, const char* function);
void copy_and_wait(const Copy& copy, const char* function);
void fill_async(const Fill& fill, cudaStream_t stream, const char* function);

}  // namespace softgpu::cudart
