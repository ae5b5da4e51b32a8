// Compiled with flags of its own: includes intrinsics and loops only, and calls nothing inline from
// a header that baseline code shares, or the linker could keep this copy for older machines.
//
// Eight rows of 32 bytes are a square of 8 x 8 fours, which is transposed in registers.
#include <immintrin.h>

#include "core/host_device.h"
#include "cpu/pack_int8_run.h"

namespace halfword {
namespace {

constexpr int kRows = 8;
constexpr int64_t kBytes = 32;
static_assert(PackInt8Params::kPanelStep % kRows == 0);

// Row i of the result is element i of each of the rows.
HALFWORD_INLINE void transpose(__m256i (&x)[kRows]) {
  __m256i pairs[kRows], fours[kRows];
#pragma GCC unroll 4
  for (int i = 0; i < kRows; i += 2) {
    pairs[i] = _mm256_unpacklo_epi32(x[i], x[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_epi32(x[i], x[i + 1]);
  }
  // fours[4 q + j] has elements j, 4 + j of rows 4 q ... 4 q + 3.
#pragma GCC unroll 2
  for (int i = 0; i < kRows; i += 4) {
    fours[i] = _mm256_unpacklo_epi64(pairs[i], pairs[i + 2]);
    fours[i + 1] = _mm256_unpackhi_epi64(pairs[i], pairs[i + 2]);
    fours[i + 2] = _mm256_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    fours[i + 3] = _mm256_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    x[j] = _mm256_permute2x128_si256(fours[j], fours[4 + j], 0x20);
    x[4 + j] = _mm256_permute2x128_si256(fours[j], fours[4 + j], 0x31);
  }
}

// kBytes from p on, of which the first `count` are there; zeros for the rest.
HALFWORD_INLINE __m256i load_first(const int8_t* p, int64_t count) {
  if (count >= kBytes) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  alignas(32) int8_t bytes[kBytes] = {};
  if (count > 0) __builtin_memcpy(bytes, p, static_cast<size_t>(count));
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes));
}

// Rows `first` to `first` + 7 of a panel.
void pack_rows(const PackPanel& p, int64_t first) {
  const __m256i offset = _mm256_set1_epi8(-128);
  const __m256i one_bytes = _mm256_set1_epi8(1), one_words = _mm256_set1_epi16(1);
  uint8_t* packed = p.packed + 4 * first;
  __m256i sums = _mm256_setzero_si256();  // of b + 128
  for (int64_t k = 0; k < p.k; k += kBytes) {
    __m256i x[kRows];
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const int64_t count = first + i < p.rows ? p.k - k : 0;
      x[i] = _mm256_xor_si256(load_first(p.b + (first + i) * p.row_stride + k, count), offset);
    }
    transpose(x);
    const int64_t steps = p.k - k >= kBytes ? kRows : (p.k - k + 3) / 4;
#pragma GCC unroll 8
    for (int s = 0; s < kRows; ++s) {
      if (s >= steps) break;
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(packed + s * 4 * p.width), x[s]);
      const __m256i pairs = _mm256_maddubs_epi16(x[s], one_bytes);
      sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, one_words));
    }
    packed += steps * 4 * p.width;
  }
  if (p.sums == nullptr || first >= p.rows) return;
  const auto offsets = static_cast<int>(static_cast<uint32_t>((p.k + 3) / 4 * 4) * 128u);
  alignas(32) int32_t sum[kRows];
  _mm256_store_si256(reinterpret_cast<__m256i*>(sum),
                     _mm256_sub_epi32(sums, _mm256_set1_epi32(offsets)));
  for (int64_t i = 0; i < kRows && first + i < p.rows; ++i) p.sums[first + i] = sum[i];
}

}  // namespace

void pack_int8_loop_avx2(const PackPanel& p) {
  for (int64_t first = 0; first < p.width; first += kRows) pack_rows(p, first);
}

}  // namespace halfword
