// cudaMemcpy, cudaMemset and their relatives: what each is, in terms of copies.h.
#include "cudart/copies.h"
#include "cudart/registration.h"
#include "cudart/runtime.h"

using namespace softgpu::cudart;

namespace {

Copy flat(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return {static_cast<char*>(to), bytes, static_cast<const char*>(from), bytes, bytes, 1, kind};
}

Copy to_symbol(const void* symbol, const void* from, size_t bytes, size_t offset,
               cudaMemcpyKind kind) {
  return flat(static_cast<char*>(variable_of(symbol).memory) + offset, from, bytes, kind);
}

Copy from_symbol(void* to, const void* symbol, size_t bytes, size_t offset, cudaMemcpyKind kind) {
  return flat(to, static_cast<char*>(variable_of(symbol).memory) + offset, bytes, kind);
}

Copy pitched(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
             size_t rows, cudaMemcpyKind kind) {
  return {static_cast<char*>(to),
          to_pitch,
          static_cast<const char*>(from),
          from_pitch,
          width,
          rows,
          kind};
}

}  // namespace

extern "C" {

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return enter([&] { copy_and_wait(flat(to, from, bytes, kind), "cudaMemcpy"); });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return enter([&] { copy_async(flat(to, from, bytes, kind), stream, "cudaMemcpyAsync"); });
}

cudaError_t cudaMemcpyPeer(void* to, int, const void* from, int, size_t bytes) {
  return enter([&] { copy_and_wait(flat(to, from, bytes, cudaMemcpyDefault), "cudaMemcpyPeer"); });
}

cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes,
                                cudaStream_t stream) {
  return enter(
      [&] { copy_async(flat(to, from, bytes, cudaMemcpyDefault), stream, "cudaMemcpyPeerAsync"); });
}

cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                         size_t width, size_t rows, cudaMemcpyKind kind) {
  return enter([&] {
    copy_and_wait(pitched(to, to_pitch, from, from_pitch, width, rows, kind), "cudaMemcpy2D");
  });
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                              size_t width, size_t rows, cudaMemcpyKind kind, cudaStream_t stream) {
  return enter([&] {
    copy_async(pitched(to, to_pitch, from, from_pitch, width, rows, kind), stream,
               "cudaMemcpy2DAsync");
  });
}

cudaError_t cudaMemcpyToSymbol(const void* symbol, const void* from, size_t bytes, size_t offset,
                               cudaMemcpyKind kind) {
  return enter(
      [&] { copy_and_wait(to_symbol(symbol, from, bytes, offset, kind), "cudaMemcpyToSymbol"); });
}

cudaError_t cudaMemcpyToSymbolAsync(const void* symbol, const void* from, size_t bytes,
                                    size_t offset, cudaMemcpyKind kind, cudaStream_t stream) {
  return enter([&] {
    copy_async(to_symbol(symbol, from, bytes, offset, kind), stream, "cudaMemcpyToSymbolAsync");
  });
}

cudaError_t cudaMemcpyFromSymbol(void* to, const void* symbol, size_t bytes, size_t offset,
                                 cudaMemcpyKind kind) {
  return enter(
      [&] { copy_and_wait(from_symbol(to, symbol, bytes, offset, kind), "cudaMemcpyFromSymbol"); });
}

cudaError_t cudaMemcpyFromSymbolAsync(void* to, const void* symbol, size_t bytes, size_t offset,
                                      cudaMemcpyKind kind, cudaStream_t stream) {
  return enter([&] {
    copy_async(from_symbol(to, symbol, bytes, offset, kind), stream, "cudaMemcpyFromSymbolAsync");
  });
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  return enter(
      [&] { fill_async({static_cast<char*>(to), bytes, value, bytes, 1}, nullptr, "cudaMemset"); });
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  return enter([&] {
    fill_async({static_cast<char*>(to), bytes, value, bytes, 1}, stream, "cudaMemsetAsync");
  });
}

cudaError_t cudaMemset2D(void* to, size_t pitch, int value, size_t width, size_t rows) {
  return enter([&] {
    fill_async({static_cast<char*>(to), pitch, value, width, rows}, nullptr, "cudaMemset2D");
  });
}

cudaError_t cudaMemset2DAsync(void* to, size_t pitch, int value, size_t width, size_t rows,
                              cudaStream_t stream) {
  return enter([&] {
    fill_async({static_cast<char*>(to), pitch, value, width, rows}, stream, "cudaMemset2DAsync");
  });
}

}  // extern "C"
