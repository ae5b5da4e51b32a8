// What nvcc's host objects tell the runtime when they are loaded: which host symbol is which kernel
// or variable of which module.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/kernel.h"

namespace softgpu::cudart {

// A kernel as the host knows it.
struct Function {
  std::string device_name;  // mangled
  std::string name;         // what a person calls it
  const Kernel* kernel = nullptr;
  uint32_t arch = 0;  // 10 * major + minor, that its PTX was made for
  uint32_t max_dynamic_shared = 48 * 1024;
  bool large_clusters = false;
};

// By the host symbol. Raise cudaErrorInvalidDeviceFunction, cudaErrorInvalidSymbol.
Function& function_of(const void* symbol);
const Variable& variable_of(const void* symbol);
// The variable that has this address, or null.
const Variable* variable_at(const void* address);
// Of all modules.
const std::vector<const Variable*>& all_variables();

}  // namespace softgpu::cudart
