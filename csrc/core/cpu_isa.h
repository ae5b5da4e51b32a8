// Which instruction set the CPU kernels use: the best that the machine has, or the one asked for.
#pragma once

#include <optional>
#include <string_view>

#include "core/host_device.h"

namespace halfword {

// In order: each has all that the ones before it have.
enum class Isa : int { kPortable, kAvx2, kAvx512 };
constexpr int kIsaCount = 3;

constexpr std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::kPortable: return "portable";
    case Isa::kAvx2: return "avx2";
    case Isa::kAvx512: return "avx512";
  }
  return "";
}

HALFWORD_EXPORT std::optional<Isa> isa_from_name(std::string_view name);

HALFWORD_EXPORT bool isa_supported(Isa isa);
HALFWORD_EXPORT Isa best_isa();

// The instruction set in use. At start: HALFWORD_ISA if it names a supported one, else best_isa().
HALFWORD_EXPORT Isa current_isa();
HALFWORD_EXPORT void set_isa(Isa isa);  // must be supported

// One function per instruction set, picked at each call.
template <class Function>
struct IsaTable {
  Function variants[kIsaCount];
  Function pick() const { return variants[static_cast<int>(current_isa())]; }
};

// The table of variants <stem>_portable, <stem>_avx2, ... in the order of Isa.
#if defined(__x86_64__)
#define HALFWORD_ISA_TABLE(stem)                  \
  {                                               \
    {                                             \
      stem##_portable, stem##_avx2, stem##_avx512 \
    }                                             \
  }
#else
#define HALFWORD_ISA_TABLE(stem)                        \
  {                                                     \
    {                                                   \
      stem##_portable, stem##_portable, stem##_portable \
    }                                                   \
  }
#endif

}  // namespace halfword
