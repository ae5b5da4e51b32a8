#include "core/cpu_isa.h"

#include <atomic>
#include <cstdlib>

namespace halfword {
namespace {

// A name that is unknown or not supported is reported by the Python layer at import, which can
// raise; here the best set stands in for it.
Isa initial_isa() {
  const char* wanted = std::getenv("HALFWORD_ISA");
  if (wanted != nullptr) {
    const std::optional<Isa> isa = isa_from_name(wanted);
    if (isa && isa_supported(*isa)) return *isa;
  }
  return best_isa();
}

std::atomic<Isa>& current() {
  static std::atomic<Isa> isa{initial_isa()};
  return isa;
}

}  // namespace

std::optional<Isa> isa_from_name(std::string_view name) {
  for (int i = 0; i < kIsaCount; ++i) {
    if (isa_name(static_cast<Isa>(i)) == name) return static_cast<Isa>(i);
  }
  return std::nullopt;
}

bool isa_supported(Isa isa) {
#if defined(__x86_64__)
  switch (isa) {
    case Isa::kPortable: return true;
    case Isa::kAvx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
             __builtin_cpu_supports("f16c");
    case Isa::kAvxVnni:
      return isa_supported(Isa::kAvx2) && (has_vex_vnni() || isa_supported(Isa::kAvx512Vnni));
    case Isa::kAvx512:
      return isa_supported(Isa::kAvx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl");
    case Isa::kAvx512Vnni:
      return isa_supported(Isa::kAvx512) && __builtin_cpu_supports("avx512vnni");
    case Isa::kAvx512Bf16:
      return isa_supported(Isa::kAvx512Vnni) && __builtin_cpu_supports("avx512bf16");
  }
  return false;
#else
  return isa == Isa::kPortable;
#endif
}

bool has_vex_vnni() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avxvnni");
#else
  return false;
#endif
}

Isa best_isa() {
  for (int i = kIsaCount - 1; i > 0; --i) {
    if (isa_supported(static_cast<Isa>(i))) return static_cast<Isa>(i);
  }
  return Isa::kPortable;
}

Isa current_isa() { return current().load(std::memory_order_relaxed); }

void set_isa(Isa isa) { current().store(isa, std::memory_order_relaxed); }

}  // namespace halfword
