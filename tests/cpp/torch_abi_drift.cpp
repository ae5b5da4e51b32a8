// Our declarations of torch's C ABI after torch's own. A difference is a compile error: both are
// extern "C", where a name has one type. The target version hides what torch 2.10 does not have.
#define TORCH_TARGET_VERSION 0x020a000000000000
#define USE_CUDA  // declares the functions that only a torch with CUDA has; needs no CUDA headers
// clang-format off
#include <torch/csrc/stable/c/shim.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>

#include "binding/torch_abi.h"
// clang-format on
