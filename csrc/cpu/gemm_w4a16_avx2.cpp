// Compiled with flags of its own: includes intrinsics and loops only, and calls nothing inline from
// a header that baseline code shares, or the linker could keep this copy for older machines.
#include "cpu/simd_avx2.h"
// The vocabulary above is what this is written in.
#include "cpu/gemm_w4a16_loop.h"

namespace halfword {
namespace {

alignas(32) constexpr uint32_t kNibble[8] = {15, 15, 15, 15, 15, 15, 15, 15};

struct Floats {
  using Element = float;
  using Vector = F32;
  static constexpr int vectors_at_once(int) { return 2; }  // 12 of the 16 registers hold sums
  static constexpr int kParts = kStepK;
  static constexpr bool kTable = false;

  // As one asm, because gcc would keep what is the same for all parts in registers, and
  // sums elsewhere.
  template <int kPart, bool kZeros, bool kFew>
  HALFWORD_INLINE static F32 codes(const uint8_t* b, const uint32_t* zero) {
    __m256 x;
    asm("vmovdqu %1, %0\n\tvpsrld %2, %0, %0\n\tvpand %3, %0, %0\n\tvpsubd %4, %0, %0\n\t"
        "vcvtdq2ps %0, %0"
        : "=&x"(x)
        : "m"(*reinterpret_cast<const __m256i_u*>(b)), "i"(nibble_bit(kPart)), "m"(kNibble),
          "m"(*reinterpret_cast<const __m256i*>(zero)));
    return x;
  }
  HALFWORD_INLINE static U32 zero_points(U32 z) { return z; }
  template <int kPart>
  HALFWORD_INLINE static F32 broadcast(const float* a) {
    return _mm256_broadcast_ss(a + kPart);
  }
  HALFWORD_INLINE static void multiply_add(F32& sum, F32 x, F32 y) {
    asm volatile("vfmadd231ps %2, %1, %0" : "+x"(sum.v) : "x"(x.v), "x"(y.v));
  }
};

}  // namespace

const GemmW4A16Kernels gemm_w4a16_kernels_avx2 = {4, 1, pack_floats, tile<Floats>, finish_tile};

}  // namespace halfword
