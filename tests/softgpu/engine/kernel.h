// What the translator knows about a kernel and a module, for the launcher.
#pragma once

#include <cstddef>
#include <cstdint>

namespace softgpu {

struct Thread;

struct Dim3 {
  uint32_t x = 1;
  uint32_t y = 1;
  uint32_t z = 1;
  uint64_t count() const { return uint64_t{x} * y * z; }
};

// A statically sized .shared variable. A block lays out those of its kernel at its start.
struct SharedVariable {
  const char* name;
  uint32_t bytes;
  uint32_t alignment;
};

struct Parameter {
  uint32_t offset;
  uint32_t bytes;
};

struct Kernel {
  const char* name;  // mangled, as in the PTX
  void (*run)(Thread& self, const char* parameters);
  const Parameter* parameters;
  uint32_t parameter_count;
  uint32_t parameter_bytes;
  const SharedVariable* shared;
  uint32_t shared_count;
  uint32_t max_threads;  // .maxntid, or 0
  Dim3 cluster;          // .reqnctapercluster, or 1, 1, 1
};

// A .global or .const variable of a module.
struct Variable {
  const char* name;
  void* memory;
  size_t bytes;
  bool constant;
};

struct Module {
  const Kernel* kernels;
  uint32_t kernel_count;
  const Variable* variables;
  uint32_t variable_count;
};

// A translated file registers itself with a static object of this.
struct RegisterModule {
  explicit RegisterModule(const Module& module);
};

// Modules in the order in which they registered themselves.
uint32_t module_count();
const Module& module_at(uint32_t index);

const Kernel* find_kernel(const char* name);      // null if there is none
const Variable* find_variable(const char* name);  // likewise

}  // namespace softgpu
