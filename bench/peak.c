/* How many operations a core can do: dot product instructions with nothing to wait for.
 *
 * Twelve accumulators hide the latency. A 512-bit vpdpbusd is 64 multiplications and additions of
 * bytes, a vdpbf16ps 32 of BF16. Each function returns the operations done, or 0 where the
 * instruction is missing. */
#include <immintrin.h>
#include <stdint.h>

enum { kUnroll = 12, kInt8Operations = 128, kBf16Operations = 64 };

/* Unrolled, the first loop too: else gcc keeps the accumulators in memory. */
#define DOT_PRODUCTS(instruction, operations)                                                     \
  __m512i sum[kUnroll];                                                                           \
  const __m512i ones = _mm512_set1_epi16(0x0101);                                                 \
  _Pragma("GCC unroll 12") for (int i = 0; i < kUnroll; ++i) { sum[i] = _mm512_setzero_si512(); } \
  for (int64_t r = 0; r < rounds; ++r) {                                                          \
    _Pragma("GCC unroll 12") for (int i = 0; i < kUnroll; ++i) {                                  \
      __asm__ volatile(instruction " %1, %1, %0" : "+v"(sum[i]) : "v"(ones));                     \
    }                                                                                             \
  }                                                                                               \
  return rounds * kUnroll * operations

__attribute__((target("avx512f,avx512vnni"))) static int64_t bytes(int64_t rounds) {
  DOT_PRODUCTS("vpdpbusd", kInt8Operations);
}

__attribute__((target("avx512f,avx512bf16"))) static int64_t bf16(int64_t rounds) {
  DOT_PRODUCTS("vdpbf16ps", kBf16Operations);
}

int64_t peak_int8(int64_t rounds) {
  return __builtin_cpu_supports("avx512vnni") ? bytes(rounds) : 0;
}

int64_t peak_bf16(int64_t rounds) {
  return __builtin_cpu_supports("avx512bf16") ? bf16(rounds) : 0;
}
