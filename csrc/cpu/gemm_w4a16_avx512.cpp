// Compiled with flags of its own: includes intrinsics and loops only, and calls nothing inline from
// a header that baseline code shares, or the linker could keep this copy for older machines.
#include "cpu/simd_avx512.h"
// The vocabulary above is what this is written in.
#include "cpu/gemm_w4a16_loop.h"

namespace halfword {
namespace {

alignas(64) constexpr uint32_t kNibbles[16] = {15, 15, 15, 15, 15, 15, 15, 15,
                                               15, 15, 15, 15, 15, 15, 15, 15};

struct Floats {
  using Element = float;
  using Vector = F32;
  static constexpr int vectors_at_once(int) { return 4; }  // 24 of the 32 registers hold sums
  static constexpr int kParts = kStepK;
  static constexpr bool kTable = true;

  // A look-up ignores the bits above the nibble. With zero points an integer is converted.
  // As asm, because gcc would keep what is the same for all parts in registers, and sums of many
  // rows elsewhere.
  template <int kPart, bool kZeros, bool kFew>
  HALFWORD_INLINE static F32 codes(const uint8_t* b, const uint32_t* zero) {
    const auto& word = *reinterpret_cast<const __m512i_u*>(b);
    if (kZeros && kFew) {
      const U32 nibbles = (U32(_mm512_loadu_si512(b)) >> nibble_bit(kPart)) & 15u;
      return from_integer(nibbles - load_words(zero));
    }
    if (kZeros) {
      __m512 difference;
      asm("vpsrld %2, %1, %0\n\tvpandd %3, %0, %0\n\tvpsubd %4, %0, %0\n\tvcvtdq2ps %0, %0"
          : "=&v"(difference)
          : "m"(word), "i"(nibble_bit(kPart)), "m"(kNibbles),
            "m"(*reinterpret_cast<const __m512i*>(zero)));
      return difference;
    }
    __m512i nibbles;
    asm("vpsrld %2, %1, %0" : "=v"(nibbles) : "m"(word), "i"(nibble_bit(kPart)));
    return _mm512_permutexvar_ps(
        nibbles, _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7));
  }
  HALFWORD_INLINE static U32 zero_points(U32 z) { return z; }
  template <int kPart>
  HALFWORD_INLINE static F32 broadcast(const float* a) {
    return F32(a[kPart]);
  }
  HALFWORD_INLINE static void multiply_add(F32& sum, F32 x, F32 y) {
    asm volatile("vfmadd231ps %2, %1, %0" : "+v"(sum.v) : "v"(x.v), "v"(y.v));
  }
};

}  // namespace

const GemmW4A16Kernels gemm_w4a16_kernels_avx512 = {4, 1, pack_floats, tile<Floats>, finish_tile};

}  // namespace halfword
