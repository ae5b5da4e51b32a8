// Error codes, and what CUDA calls them.
#include <cuda_runtime_api.h>

#include "cudart/runtime.h"

using namespace softgpu::cudart;

namespace {

struct Known {
  cudaError_t code;
  const char* name;
  const char* text;
};

#define KNOWN(code, text) {code, #code, text}
constexpr Known kKnown[] = {
    KNOWN(cudaSuccess, "no error"),
    KNOWN(cudaErrorInvalidValue, "invalid argument"),
    KNOWN(cudaErrorMemoryAllocation, "out of memory"),
    KNOWN(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    KNOWN(cudaErrorInvalidPitchValue, "invalid pitch argument"),
    KNOWN(cudaErrorInvalidSymbol, "invalid device symbol"),
    KNOWN(cudaErrorInvalidDeviceFunction, "invalid device function"),
    KNOWN(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    KNOWN(cudaErrorInvalidDevice, "invalid device ordinal"),
    KNOWN(cudaErrorInvalidKernelImage, "device kernel image is invalid"),
    KNOWN(cudaErrorNoKernelImageForDevice,
          "no kernel image is available for execution on the device"),
    KNOWN(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    KNOWN(cudaErrorIllegalState, "the operation cannot be performed in the present state"),
    KNOWN(cudaErrorSymbolNotFound, "named symbol not found"),
    KNOWN(cudaErrorNotReady, "device not ready"),
    KNOWN(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    KNOWN(cudaErrorLaunchFailure, "unspecified launch failure"),
    KNOWN(cudaErrorCooperativeLaunchTooLarge, "too many blocks in cooperative launch"),
    KNOWN(cudaErrorNotPermitted, "operation not permitted"),
    KNOWN(cudaErrorNotSupported, "operation not supported"),
    KNOWN(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing"),
    KNOWN(cudaErrorStreamCaptureInvalidated,
          "operation failed due to a previous error during capture"),
    KNOWN(cudaErrorStreamCaptureMerge,
          "operation would result in a merge of separate capture sequences"),
    KNOWN(cudaErrorStreamCaptureUnmatched, "capture was not ended in the same stream as it began"),
    KNOWN(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work"),
    KNOWN(cudaErrorStreamCaptureIsolation,
          "dependency created on uncaptured work in another stream"),
    KNOWN(cudaErrorStreamCaptureImplicit,
          "operation would make the legacy stream depend on a capturing blocking stream"),
    KNOWN(cudaErrorCapturedEvent,
          "operation not permitted on an event last recorded in a capturing stream"),
    KNOWN(cudaErrorStreamCaptureWrongThread,
          "attempt to terminate a thread-local capture sequence from another thread"),
    KNOWN(cudaErrorInvalidClusterSize, "cluster misconfiguration"),
};
#undef KNOWN

const Known* find(cudaError_t code) {
  for (const Known& known : kKnown) {
    if (known.code == code) return &known;
  }
  return nullptr;
}

}  // namespace

extern "C" {

const char* cudaGetErrorString(cudaError_t code) {
  const Known* const known = find(code);
  return known ? known->text : "unrecognized error code";
}

const char* cudaGetErrorName(cudaError_t code) {
  const Known* const known = find(code);
  return known ? known->name : "unrecognized error code";
}

cudaError_t cudaGetLastError() {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  return last_error(true);
}

cudaError_t cudaPeekAtLastError() {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  return last_error(false);
}

}  // extern "C"
