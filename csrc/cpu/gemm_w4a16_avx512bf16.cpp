// Compiled with flags of its own: includes intrinsics and loops only, and calls nothing inline from
// a header that baseline code shares, or the linker could keep this copy for older machines.
//
// vdpbf16ps multiplies pairs of bfloat16 and adds both products to an FP32 sum. Nibbles become
// bfloat16 by a look-up among 32, which is enough for all differences of codes and zero points.
#include "cpu/simd_avx512.h"
// The vocabulary above is what this is written in.
#include "cpu/gemm_w4a16_loop.h"

namespace halfword {
namespace {

// The bits of an integer of less than 2^8, which bfloat16 holds.
constexpr uint16_t bfloat16_bits(int x) {
  const int magnitude = x < 0 ? -x : x;
  if (magnitude == 0) return 0;
  int exponent = 0;
  while (magnitude >> exponent > 1) ++exponent;
  const int bits = (x < 0 ? 0x8000 : 0) + ((126 + exponent) << 7) + (magnitude << (7 - exponent));
  return static_cast<uint16_t>(bits);
}
static_assert(bfloat16_bits(1) == 0x3f80 && bfloat16_bits(-3) == 0xc040);

// Consecutive integers, again from the first one after a period.
struct Integers {
  alignas(64) uint16_t bits[32] = {};
  constexpr Integers(int first, int period) {
    for (int i = 0; i < 32; ++i) bits[i] = bfloat16_bits(first + i % period);
  }
};
constexpr Integers kCodes(-8, 16);         // of a nibble, whatever the bit above it
constexpr Integers kDifferences(-16, 32);  // of nibble - zero_point + 16

// The nibbles of both halves of a word.
struct Nibbles {
  alignas(64) uint32_t words[16] = {};
  constexpr Nibbles() {
    for (uint32_t& word : words) word = 0x000f000f;
  }
};
constexpr Nibbles kNibbles;

struct Pairs {
  using Element = uint16_t;
  using Vector = __m512i;
  // With the sums of all groups, six rows by two are 24 of the 32 registers.
  static constexpr int vectors_at_once(int rows) { return rows <= 4 ? 4 : 2; }
  static constexpr int kParts = kStepK / 2;
  static constexpr bool kTable = true;

  // An index is what a 16-bit word has in its low five bits. Few rows share the work on both bytes
  // of a word between two parts. For more it is asm, because gcc would keep what is the same for
  // all parts in registers, and sums elsewhere.
  template <int kPart, bool kZeros, bool kFew>
  HALFWORD_INLINE static __m512i codes(const uint8_t* b, const uint32_t* zero) {
    if (kZeros && kFew) {
      return look_up<kPart, kZeros>(_mm512_loadu_si512(b), load_words(zero));
    }
    const auto& word = *reinterpret_cast<const __m512i_u*>(b);
    __m512i index;
    if (kZeros) {
      asm("vpsrld %2, %1, %0\n\tvpandd %3, %0, %0\n\tvpaddd %4, %0, %0"
          : "=&v"(index)
          : "m"(word), "i"(4 * kPart), "m"(kNibbles), "m"(*reinterpret_cast<const __m512i*>(zero)));
      return _mm512_permutexvar_epi16(index, _mm512_load_si512(kDifferences.bits));
    }
    asm("vpsrld %2, %1, %0" : "=v"(index) : "m"(word), "i"(4 * kPart));
    return _mm512_permutexvar_epi16(index, _mm512_load_si512(kCodes.bits));
  }
  // From words and zero points in registers.
  template <int kPart, bool kZeros>
  HALFWORD_INLINE static __m512i look_up(U32 words, U32 zero) {
    if (!kZeros) {
      return _mm512_permutexvar_epi16((words >> 4 * kPart).v, _mm512_load_si512(kCodes.bits));
    }
    const U32 bytes = ((words >> kPart % 2 * 4) & 0x0f0f0f0fu) + zero;
    return _mm512_permutexvar_epi16((bytes >> kPart / 2 * 8).v,
                                    _mm512_load_si512(kDifferences.bits));
  }
  HALFWORD_INLINE static U32 zero_points(U32 z) { return (U32(16u) - z) * U32(0x01010101u); }
  template <int kPart>
  HALFWORD_INLINE static __m512i broadcast(const uint16_t* a) {
    int32_t pair;
    __builtin_memcpy(&pair, a + 2 * kPart, 4);
    return _mm512_set1_epi32(pair);
  }
  HALFWORD_INLINE static void multiply_add(F32& sum, __m512i x, __m512i y) {
    asm volatile("vdpbf16ps %2, %1, %0" : "+v"(sum.v) : "v"(x), "v"(y));
  }
};

constexpr int kRowPanels = 2;
constexpr int kOfPanel = kTileColumns / kLanes;  // vectors

template <int kPart, bool kZeros>
HALFWORD_INLINE void add_part(const uint16_t* a, const U32 (&words)[kOfPanel],
                              const U32 (&zero)[kOfPanel], F32 (&acc)[1][kOfPanel]) {
  const __m512i x = Pairs::broadcast<kPart>(a);
  __m512i codes[kOfPanel];
#pragma GCC unroll 4
  for (int v = 0; v < kOfPanel; ++v) codes[v] = Pairs::look_up<kPart, kZeros>(words[v], zero[v]);
#pragma GCC unroll 4
  for (int v = 0; v < kOfPanel; ++v) Pairs::multiply_add(acc[0][v], x, codes[v]);
}

template <bool kZeros>
HALFWORD_INLINE void open_group(const W4A16Tile& t, int64_t at, U32 (&zero)[kOfPanel],
                                F32 (&acc)[1][kOfPanel]) {
#pragma GCC unroll 4
  for (int v = 0; v < kOfPanel; ++v) {
    acc[0][v] = F32(0.0f);
    if (!kZeros) continue;
    const uint8_t* from = t.zero_point + at + v * kLanes;
    zero[v] = Pairs::zero_points(load_bytes(reinterpret_cast<const int8_t*>(from)));
  }
}

// One row waits for units that shift, look up and multiply, each of which has as much to do. They
// are busy all the time when the steps of two panels take turns, with the words in registers.
template <bool kZeros>
void row_of(const W4A16Tile& t) {
  const auto* a = static_cast<const uint16_t*>(t.a);
  const uint8_t* b = t.b;
  F32 sum[kRowPanels][1][kOfPanel];
#pragma GCC unroll 2
  for (int p = 0; p < kRowPanels; ++p) {
#pragma GCC unroll 4
    for (int v = 0; v < kOfPanel; ++v) sum[p][0][v] = F32(0.0f);
  }
  for (int64_t k = 0, g = 0; k < t.k; k += t.group, ++g) {
    U32 zero[kRowPanels][kOfPanel];
    F32 acc[kRowPanels][1][kOfPanel];
#pragma GCC unroll 2
    for (int p = 0; p < kRowPanels; ++p) {
      open_group<kZeros>(t, p * t.panel_scales + g * kTileColumns, zero[p], acc[p]);
    }
    const int64_t columns = t.k - k < t.group ? t.k - k : t.group;
    for (int64_t left = columns; left > 0; left -= kStepK) {
#pragma GCC unroll 2
      for (int p = 0; p < kRowPanels; ++p) {
        U32 words[kOfPanel];
#pragma GCC unroll 4
        for (int v = 0; v < kOfPanel; ++v) {
          words[v] = _mm512_loadu_si512(b + p * t.panel_bytes + 4 * kLanes * v);
          asm volatile("" : "+v"(words[v].v));  // or gcc reads them again for every part
        }
        add_part<0, kZeros>(a, words, zero[p], acc[p]);
        add_part<2, kZeros>(a, words, zero[p], acc[p]);
        add_part<1, kZeros>(a, words, zero[p], acc[p]);
        add_part<3, kZeros>(a, words, zero[p], acc[p]);
      }
      a += kStepK;
      b += 4 * kTileColumns;
    }
#pragma GCC unroll 2
    for (int p = 0; p < kRowPanels; ++p) close_group(t, g, p * t.panel_scales, acc[p], sum[p]);
  }
#pragma GCC unroll 2
  for (int p = 0; p < kRowPanels; ++p) {
#pragma GCC unroll 4
    for (int v = 0; v < kOfPanel; ++v) {
      store_floats(t.sum + p * kTileColumns + v * kLanes, sum[p][0][v]);
    }
  }
}

void tile_of_pairs(const W4A16Tile& t) {
  if (t.panels < kRowPanels) return tile<Pairs>(t);
  return t.zero_point == nullptr ? row_of<false>(t) : row_of<true>(t);
}

void pack_pairs(const W4A16Strip& s) {
  constexpr int64_t kVector = 32;
  const __m512i order = _mm512_broadcast_i32x4(
      _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));  // kPairOrder
  auto* packed = static_cast<uint16_t*>(s.packed);
  for (int64_t r = 0; r < s.rows; ++r) {
    const uint16_t* a = static_cast<const uint16_t*>(s.a) + r * s.row_stride;
    for (int64_t k = 0; k < s.k; k += kVector) {
      const int64_t columns = s.k - k < kVector ? s.k - k : kVector;
      const auto there = static_cast<__mmask32>((uint64_t{1} << columns) - 1);
      alignas(64) uint16_t row[kVector];
      _mm512_store_si512(row, _mm512_shuffle_epi8(_mm512_maskz_loadu_epi16(there, a + k), order));
      for (int64_t i = 0; i < columns; i += kStepK) {
        std::memcpy(packed + ((k + i) / kStepK * s.rows + r) * kStepK, row + i, 2 * kStepK);
      }
    }
  }
  sum_groups(s, [&](int64_t r, int64_t step, int64_t i) {
    const uint32_t word = uint32_t{packed[(step * s.rows + r) * kStepK + i]} << 16;
    float value;
    __builtin_memcpy(&value, &word, 4);
    return value;
  });
}

}  // namespace

const GemmW4A16Kernels gemm_w4a16_kernels_avx512bf16 = {2, kRowPanels, pack_pairs, tile_of_pairs,
                                                        finish_tile};

}  // namespace halfword
