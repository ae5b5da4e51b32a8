/* How many INT8 operations a core can do: dot product instructions with nothing to wait for.
 *
 * Twelve accumulators hide the latency; a 512-bit vpdpbusd is 64 multiplications and additions. */
#include <immintrin.h>
#include <stdint.h>

enum { kUnroll = 12, kOperations = 128 };

/* Returns the operations done, or 0 where the instruction is missing. */
__attribute__((target("avx512f,avx512vnni"))) static int64_t dot_products(int64_t rounds) {
  __m512i sum[kUnroll];
  const __m512i ones = _mm512_set1_epi8(1);
  /* Unrolled, this loop too: else gcc keeps the accumulators in memory. */
#pragma GCC unroll 12
  for (int i = 0; i < kUnroll; ++i) sum[i] = _mm512_setzero_si512();
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int i = 0; i < kUnroll; ++i) {
      __asm__ volatile("vpdpbusd %1, %1, %0" : "+v"(sum[i]) : "v"(ones));
    }
  }
  return rounds * kUnroll * kOperations;
}

int64_t peak_int8(int64_t rounds) {
  if (!__builtin_cpu_supports("avx512vnni")) return 0;
  return dot_products(rounds);
}
