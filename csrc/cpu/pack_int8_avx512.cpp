// Compiled with flags of its own: includes intrinsics and loops only, and calls nothing inline from
// a header that baseline code shares, or the linker could keep this copy for older machines.
//
// Sixteen rows of 64 bytes are a square of 16 x 16 fours, which is transposed in registers.
#include <immintrin.h>

#include "core/host_device.h"
#include "cpu/pack_int8_run.h"

namespace halfword {
namespace {

constexpr int kRows = 16;
constexpr int64_t kAhead = 512;  // bytes of a row: there are more rows than the hardware follows
static_assert(PackInt8Params::kPanelStep == kRows);

// Row i of the result is element i of each of the rows.
HALFWORD_INLINE void transpose(__m512i (&x)[kRows]) {
  __m512i pairs[kRows], fours[kRows];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; i += 2) {
    pairs[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
  // fours[4 q + j] has elements j, 4 + j, 8 + j, 12 + j of rows 4 q ... 4 q + 3.
#pragma GCC unroll 4
  for (int i = 0; i < kRows; i += 4) {
    fours[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
    fours[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
    fours[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    fours[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i low01 = _mm512_shuffle_i32x4(fours[j], fours[4 + j], 0x88);
    const __m512i high01 = _mm512_shuffle_i32x4(fours[j], fours[4 + j], 0xdd);
    const __m512i low23 = _mm512_shuffle_i32x4(fours[8 + j], fours[12 + j], 0x88);
    const __m512i high23 = _mm512_shuffle_i32x4(fours[8 + j], fours[12 + j], 0xdd);
    x[j] = _mm512_shuffle_i32x4(low01, low23, 0x88);
    x[8 + j] = _mm512_shuffle_i32x4(low01, low23, 0xdd);
    x[4 + j] = _mm512_shuffle_i32x4(high01, high23, 0x88);
    x[12 + j] = _mm512_shuffle_i32x4(high01, high23, 0xdd);
  }
}

// Rows `first` to `first` + 15 of a panel.
void pack_rows(const PackPanel& p, int64_t first) {
  const __m512i offset = _mm512_set1_epi8(-128);
  const __m512i one_bytes = _mm512_set1_epi8(1), one_words = _mm512_set1_epi16(1);
  uint8_t* packed = p.packed + 4 * first;
  __m512i sums = _mm512_setzero_si512();  // of b + 128
  for (int64_t k = 0; k < p.k; k += 64) {
    const int64_t left = p.k - k;
    const __mmask64 bytes = left >= 64 ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
    __m512i x[kRows];
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const __mmask64 mask = first + i < p.rows ? bytes : 0;
      const int8_t* from = p.b + (first + i) * p.row_stride + k;
      const __m512i row = _mm512_maskz_loadu_epi8(mask, from);
      _mm_prefetch(reinterpret_cast<const char*>(from + kAhead), _MM_HINT_T1);
      x[i] = _mm512_xor_si512(row, offset);
    }
    transpose(x);
    const int64_t steps = left >= 64 ? kRows : (left + 3) / 4;
#pragma GCC unroll 16
    for (int s = 0; s < kRows; ++s) {
      if (s >= steps) break;
      _mm512_storeu_si512(packed + s * 4 * p.width, x[s]);
      const __m512i pairs = _mm512_maddubs_epi16(x[s], one_bytes);
      sums = _mm512_add_epi32(sums, _mm512_madd_epi16(pairs, one_words));
    }
    packed += steps * 4 * p.width;
  }
  if (p.sums == nullptr || first >= p.rows) return;
  const auto offsets = static_cast<int>(static_cast<uint32_t>((p.k + 3) / 4 * 4) * 128u);
  sums = _mm512_sub_epi32(sums, _mm512_set1_epi32(offsets));
  const int64_t rows = p.rows - first;
  const auto mask = static_cast<__mmask16>(rows >= kRows ? 0xffff : (1 << rows) - 1);
  _mm512_mask_storeu_epi32(p.sums + first, mask, sums);
}

}  // namespace

void pack_int8_loop_avx512(const PackPanel& p) {
  for (int64_t first = 0; first < p.width; first += kRows) pack_rows(p, first);
}

}  // namespace halfword
