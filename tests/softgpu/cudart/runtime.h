// What every entry point of the stand-in CUDA runtime shares: one lock, the last error of a thread,
// and the sticky error that a failed kernel leaves behind.
#pragma once

#include <cuda_runtime_api.h>

#include <mutex>
#include <string>

namespace softgpu::cudart {

// Ends an entry point. `text` says more than cudaGetErrorString; softgpu_last_error() returns it.
struct Error {
  cudaError_t code;
  std::string text;
};
[[noreturn]] void raise(cudaError_t code, const char* format, ...)
    __attribute__((format(printf, 2, 3)));

// All of the runtime is behind this lock, kernels included. A host function of a stream runs with
// it.
extern std::recursive_mutex mutex;

struct State {
  cudaError_t sticky = cudaSuccess;  // of a failed kernel: every call returns it from then on
  std::string text;                  // of the latest error
  bool in_host_function = false;     // those may not call the runtime
};
State& state();

// Makes `error` the calling thread's last error, and returns its code.
cudaError_t record(const Error& error);
cudaError_t last_error(bool clear);
void forget_errors();
// Every call fails with this from now on.
void make_sticky(const Error& error);
// Raises the sticky error, if there is one.
void check_sticky();

// A body under the lock, with errors turned into codes.
template <class Body>
cudaError_t guard(Body body) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  try {
    body();
    return cudaSuccess;
  } catch (const Error& error) {
    return record(error);
  }
}

// The body of an entry point of CUDA: what must not be called does not run.
template <class Body>
cudaError_t enter(Body body) {
  return guard([&] {
    check_sticky();
    if (state().in_host_function) {
      raise(cudaErrorNotPermitted, "a host function of a stream called the CUDA runtime");
    }
    body();
  });
}

}  // namespace softgpu::cudart
