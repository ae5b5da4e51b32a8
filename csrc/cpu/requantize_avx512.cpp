// Eight sums at a time. Compiled with flags of its own: includes intrinsics and our own headers
// only, and calls nothing inline from a header that baseline code shares, but for what is always
// inlined.
#include <immintrin.h>

#include "core/requantize_math.h"
#include "cpu/requantize_run.h"

namespace halfword {
namespace {

constexpr int64_t kWide = 8;

struct WideFactor {
  __m512i multiplier;
  __m512i half;
  __m512i right;
};

// The first `count` of eight.
HALFWORD_INLINE __mmask8 active_of(int64_t count) {
  return static_cast<__mmask8>(count < kWide ? (1 << count) - 1 : 0xff);
}

HALFWORD_INLINE __m512i load_ints(const ColumnInt& ints, int64_t i, __mmask8 active) {
  if (!ints.each) return _mm512_set1_epi64(ints.values[0]);
  return _mm512_cvtepi32_epi64(_mm256_maskz_loadu_epi32(active, ints.values + i));
}

// fixed_point of core/requantize_math.h; half of 1 is 0, so that a shift by 0 adds nothing.
HALFWORD_INLINE WideFactor load_factor(const RequantizeRun& run, int64_t i, __mmask8 active) {
  const __m512i limit = _mm512_set1_epi64(31);
  __m512i right = load_ints(run.shift, i, active);
  right = _mm512_max_epi64(right, _mm512_sub_epi64(_mm512_setzero_si512(), limit));
  right = _mm512_add_epi64(_mm512_min_epi64(right, limit), limit);
  const __m512i one = _mm512_sllv_epi64(_mm512_set1_epi64(1), right);
  return {load_ints(run.multiplier, i, active), _mm512_srli_epi64(one, 1), right};
}

HALFWORD_INLINE void requantize_eight(const RequantizeRun& run, const WideFactor& factor, int64_t i,
                                      __mmask8 active) {
  const __m512i acc = _mm512_cvtepi32_epi64(_mm256_maskz_loadu_epi32(active, run.acc + i));
  __m512i y = _mm512_add_epi64(_mm512_mul_epi32(acc, factor.multiplier), factor.half);
  y = _mm512_add_epi64(_mm512_srav_epi64(y, factor.right), _mm512_set1_epi64(run.zero_point));
  y = _mm512_max_epi64(y, _mm512_set1_epi64(run.lowest));
  y = _mm512_min_epi64(y, _mm512_set1_epi64(run.highest));
  _mm512_mask_cvtepi64_storeu_epi8(run.codes + i, active, y);
}

}  // namespace

void requantize_loop_avx512(const RequantizeRun& run) {
  const bool each = run.multiplier.each || run.shift.each;
  WideFactor factor = load_factor(run, 0, active_of(run.count));
  for (int64_t i = 0; i < run.count; i += kWide) {
    const __mmask8 active = active_of(run.count - i);
    if (each) factor = load_factor(run, i, active);
    requantize_eight(run, factor, i, active);
  }
}

}  // namespace halfword
