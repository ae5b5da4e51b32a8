#include "cudart/runtime.h"

#include <cstdarg>
#include <cstdio>

namespace softgpu::cudart {

std::recursive_mutex mutex;

namespace {

thread_local cudaError_t last = cudaSuccess;

}  // namespace

State& state() {
  static State instance;
  return instance;
}

void raise(cudaError_t code, const char* format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  throw Error{code, text};
}

cudaError_t record(const Error& error) {
  last = error.code;
  state().text = error.text;
  return error.code;
}

cudaError_t last_error(bool clear) {
  if (state().sticky != cudaSuccess) return state().sticky;
  const cudaError_t code = last;
  if (clear) last = cudaSuccess;
  return code;
}

void forget_errors() {
  last = cudaSuccess;
  state().sticky = cudaSuccess;
  state().text.clear();
}

void make_sticky(const Error& error) {
  state().sticky = error.code;
  state().text = error.text;
}

void check_sticky() {
  if (state().sticky != cudaSuccess) throw Error{state().sticky, state().text};
}

}  // namespace softgpu::cudart
