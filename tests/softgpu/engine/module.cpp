// The kernels and variables of all translated files that are loaded.
#include <deque>
#include <string>
#include <unordered_map>

#include "engine/kernel.h"
#include "engine/memory.h"

namespace softgpu {
namespace {

struct Registry {
  std::deque<Module> modules;  // in the order of their registration; references stay good
  std::unordered_map<std::string, const Kernel*> kernels;
  std::unordered_map<std::string, const Variable*> variables;
};

// Modules register from static initialisers, before this file's own may have run.
Registry& registry() {
  static Registry the_registry;
  return the_registry;
}

template <class T>
const T* find(const std::unordered_map<std::string, const T*>& map, const char* name) {
  const auto found = map.find(name);
  return found == map.end() ? nullptr : found->second;
}

}  // namespace

RegisterModule::RegisterModule(const Module& module) {
  registry().modules.push_back(module);
  for (uint32_t i = 0; i < module.kernel_count; ++i) {
    registry().kernels[module.kernels[i].name] = &module.kernels[i];
  }
  for (uint32_t i = 0; i < module.variable_count; ++i) {
    const Variable& variable = module.variables[i];
    registry().variables[variable.name] = &variable;
    allow(variable.memory, variable.bytes, !variable.constant, variable.name);
  }
}

uint32_t module_count() { return static_cast<uint32_t>(registry().modules.size()); }
const Module& module_at(uint32_t index) { return registry().modules[index]; }

const Kernel* find_kernel(const char* name) { return find(registry().kernels, name); }
const Variable* find_variable(const char* name) { return find(registry().variables, name); }

}  // namespace softgpu
