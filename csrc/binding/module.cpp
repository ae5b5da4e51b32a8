// What is not a tensor op: facts of the build, CPU features, the choice of instruction set, the end
// of an optimizer's plan.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <map>
#include <string>
#include <vector>

#include "binding/adam_plan.h"
#include "core/cpu_isa.h"

namespace py = pybind11;

namespace halfword::binding {
namespace {

std::map<std::string, std::string> build_info() {
  return {{"compiler", HALFWORD_COMPILER},
          {"build_type", HALFWORD_BUILD_TYPE},
          {"cuda", HALFWORD_CUDA_VERSION},
          {"cuda_archs", HALFWORD_CUDA_ARCHS}};
}

std::map<std::string, bool> cpu_features() {
#if defined(__x86_64__)
  return {{"avx2", __builtin_cpu_supports("avx2")},
          {"fma", __builtin_cpu_supports("fma")},
          {"f16c", __builtin_cpu_supports("f16c")},
          {"avxvnni", __builtin_cpu_supports("avxvnni")},
          {"avx512f", __builtin_cpu_supports("avx512f")},
          {"avx512bw", __builtin_cpu_supports("avx512bw")},
          {"avx512dq", __builtin_cpu_supports("avx512dq")},
          {"avx512vl", __builtin_cpu_supports("avx512vl")},
          {"avx512vnni", __builtin_cpu_supports("avx512vnni")},
          {"avx512bf16", __builtin_cpu_supports("avx512bf16")}};
#else
  return {};
#endif
}

std::vector<std::string> supported_isas() {
  std::vector<std::string> names;
  for (int i = 0; i < kIsaCount; ++i) {
    if (isa_supported(static_cast<Isa>(i))) names.emplace_back(isa_name(static_cast<Isa>(i)));
  }
  return names;
}

void choose_isa(const std::string& name) {
  const std::optional<Isa> isa = isa_from_name(name);
  if (!isa || !isa_supported(*isa)) {
    std::string known;
    for (const std::string& each : supported_isas()) known += (known.empty() ? "" : ", ") + each;
    throw py::value_error("set_isa: name must be an instruction set of this machine (" + known +
                          "); got '" + name + "'");
  }
  set_isa(*isa);
}

}  // namespace
}  // namespace halfword::binding

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  using namespace halfword;
  using namespace halfword::binding;
  m.doc() = "Facts of the build and of the CPU, and the choice of instruction set.";
  m.def("build_info", &build_info, "How the library was built: compiler, build type, CUDA.");
  m.def("cpu_features", &cpu_features, "Which of the features that kernels use this CPU has.");
  m.def("supported_isas", &supported_isas, "Instruction sets this machine can run, best last.");
  m.def("isa", [] { return std::string(isa_name(current_isa())); }, "The instruction set in use.");
  m.def("set_isa", &choose_isa, py::arg("name"),
        "Use this instruction set from now on. ValueError if the machine lacks it.");
  m.def("forget_adam_plan", &halfword_forget_adam_plan, py::arg("number"),
        "Free the plan of this number, if there is one.");
}
