// Which instruction set the CPU kernels use: the best that the machine has, or the one asked for.
#pragma once

#include <optional>
#include <string_view>

#include "core/host_device.h"

namespace halfword {

// Best last. Of the features, kAvx512 has all of kAvx2, each VNNI set all of the one before it,
// kAvx512Bf16 all of kAvx512Vnni, and kAvx512 nothing of kAvxVnni, which is 256-bit dot products in
// the VEX encoding (AVX-VNNI) or the EVEX one (AVX512-VNNI with VL).
enum class Isa : int { kPortable, kAvx2, kAvxVnni, kAvx512, kAvx512Vnni, kAvx512Bf16 };
constexpr int kIsaCount = 6;

constexpr std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::kPortable: return "portable";
    case Isa::kAvx2: return "avx2";
    case Isa::kAvxVnni: return "avxvnni";
    case Isa::kAvx512: return "avx512";
    case Isa::kAvx512Vnni: return "avx512vnni";
    case Isa::kAvx512Bf16: return "avx512bf16";
  }
  return "";
}

HALFWORD_EXPORT std::optional<Isa> isa_from_name(std::string_view name);

HALFWORD_EXPORT bool isa_supported(Isa isa);
bool has_vex_vnni();  // AVX-VNNI: kAvxVnni in its own encoding
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

// The variants <stem>_portable, <stem>_avx2, ... in the order of Isa. An op without dot products of
// bytes gains nothing from VNNI: HALFWORD_ISA_TABLE. One that is made of them gains nothing from
// AVX-512 alone: HALFWORD_VNNI_TABLE. Dot products of bfloat16 are a choice of their op's own,
// because not every dtype takes them.
#if defined(__x86_64__)
#define HALFWORD_ISA_TABLE(stem)                                                             \
  {                                                                                          \
    {                                                                                        \
      stem##_portable, stem##_avx2, stem##_avx2, stem##_avx512, stem##_avx512, stem##_avx512 \
    }                                                                                        \
  }
#define HALFWORD_VNNI_TABLE(stem)                                                   \
  {                                                                                 \
    {                                                                               \
      stem##_portable, stem##_avx2, stem##_avxvnni, stem##_avx2, stem##_avx512vnni, \
          stem##_avx512vnni                                                         \
    }                                                                               \
  }
#else
#define HALFWORD_ISA_TABLE(stem)                                                           \
  {                                                                                        \
    {                                                                                      \
      stem##_portable, stem##_portable, stem##_portable, stem##_portable, stem##_portable, \
          stem##_portable                                                                  \
    }                                                                                      \
  }
#define HALFWORD_VNNI_TABLE(stem) HALFWORD_ISA_TABLE(stem)
#endif

}  // namespace halfword
