#include "cudart/registration.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

#include "cudart/runtime.h"

namespace softgpu::cudart {

namespace {

// One host object. The module of its kernels is the first that registers itself after it: the
// linker is given a file's two objects in this order (library.cmake).
struct FatBinary {
  uint32_t arch = 0;
  uint32_t module = 0;  // index
};

struct Symbol {
  const FatBinary* binary;
  std::string device_name;
};

// Built by constructors of libraries, in any order with those of this one: hence functions.
std::vector<std::unique_ptr<FatBinary>>& binaries() {
  static std::vector<std::unique_ptr<FatBinary>> all;
  return all;
}

std::map<const void*, Symbol>& symbols() {
  static std::map<const void*, Symbol> all;
  return all;
}

// The start of what nvcc embeds: a header, then one entry for each image.
struct Header {
  uint32_t magic;
  uint16_t version;
  uint16_t bytes;
  uint64_t content_bytes;
};
struct Entry {
  uint16_t kind;
  uint16_t version;
  uint32_t bytes;
  uint64_t content_bytes;
  uint32_t compressed_bytes;
  uint32_t names;
  uint16_t minor;
  uint16_t major;
  uint32_t arch;
};
constexpr uint32_t kMagic = 0xba55ed50;

uint32_t arch_of(const void* wrapper) {
  struct Wrapper {
    uint32_t magic;
    uint32_t version;
    const char* data;
  };
  Header header;
  Entry entry;
  const char* const data = static_cast<const Wrapper*>(wrapper)->data;
  std::memcpy(&header, data, sizeof header);
  if (header.magic != kMagic) return 0;
  std::memcpy(&entry, data + header.bytes, sizeof entry);
  return entry.arch;
}

const Module& module_of(const Symbol& symbol) {
  if (symbol.binary->module >= module_count()) {
    raise(cudaErrorInvalidKernelImage, "%s: its file has no translated module",
          symbol.device_name.c_str());
  }
  return module_at(symbol.binary->module);
}

// "void room::kernel<3>(float*)" -> "kernel"
std::string short_name(const std::string& mangled) {
  int status = 0;
  char* const text = abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status);
  if (!text) return mangled;
  std::string name;
  int depth = 0;
  std::string whole = text;
  std::free(text);
  const std::string anonymous = "(anonymous namespace)::";
  for (size_t at; (at = whole.find(anonymous)) != std::string::npos;) {
    whole.erase(at, anonymous.size());
  }
  for (const char c : whole) {
    if (c == '(' && depth == 0) break;
    if (c == '<') ++depth;
    if (depth == 0) name = c == ' ' || c == ':' ? "" : name + c;
    if (c == '>') --depth;
  }
  return name;
}

const Kernel* find_in(const Module& module, const std::string& name) {
  for (uint32_t i = 0; i < module.kernel_count; ++i) {
    if (name == module.kernels[i].name) return &module.kernels[i];
  }
  return nullptr;
}

}  // namespace

Function& function_of(const void* symbol) {
  static std::map<const void*, Function> known;
  const auto found = known.find(symbol);
  if (found != known.end()) return found->second;
  const auto registered = symbols().find(symbol);
  if (registered == symbols().end()) {
    raise(cudaErrorInvalidDeviceFunction, "not a kernel that was registered");
  }
  const std::string& name = registered->second.device_name;
  const Kernel* const kernel = find_in(module_of(registered->second), name);
  if (!kernel) {
    raise(cudaErrorInvalidDeviceFunction, "%s: not in the module of its file", name.c_str());
  }
  Function& function = known[symbol];
  function.device_name = name;
  function.name = short_name(name);
  function.kernel = kernel;
  function.arch = registered->second.binary->arch;
  return function;
}

const Variable& variable_of(const void* symbol) {
  const auto registered = symbols().find(symbol);
  if (registered == symbols().end()) {
    raise(cudaErrorInvalidSymbol, "not a variable that was registered");
  }
  const Module& module = module_of(registered->second);
  for (uint32_t i = 0; i < module.variable_count; ++i) {
    if (registered->second.device_name == module.variables[i].name) return module.variables[i];
  }
  raise(cudaErrorInvalidSymbol, "%s: not in the module of its file",
        registered->second.device_name.c_str());
}

const std::vector<const Variable*>& all_variables() {
  static std::vector<const Variable*> all;
  static uint32_t modules = 0;
  for (; modules < module_count(); ++modules) {
    const Module& module = module_at(modules);
    for (uint32_t i = 0; i < module.variable_count; ++i) all.push_back(&module.variables[i]);
  }
  return all;
}

const Variable* variable_at(const void* address) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  for (const Variable* variable : all_variables()) {
    const auto start = reinterpret_cast<uintptr_t>(variable->memory);
    if (at >= start && at - start < variable->bytes) return variable;
  }
  return nullptr;
}

}  // namespace softgpu::cudart

using namespace softgpu::cudart;

// The names and the types are those that nvcc's host code declares.
extern "C" {

void** __cudaRegisterFatBinary(void* wrapper) {
  auto binary = std::make_unique<FatBinary>();
  binary->arch = arch_of(wrapper);
  binary->module = softgpu::module_count();
  binaries().push_back(std::move(binary));
  return reinterpret_cast<void**>(binaries().back().get());
}

void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
char __cudaInitModule(void**) { return 1; }

void __cudaRegisterFunction(void** binary, const char* symbol, char*, const char* device_name, int,
                            uint3*, uint3*, dim3*, dim3*, int*) {
  symbols()[symbol] = {reinterpret_cast<const FatBinary*>(binary), device_name};
}

void __cudaRegisterVar(void** binary, char* symbol, char*, const char* device_name, int, size_t,
                       int, int) {
  symbols()[symbol] = {reinterpret_cast<const FatBinary*>(binary), device_name};
}

}  // extern "C"
