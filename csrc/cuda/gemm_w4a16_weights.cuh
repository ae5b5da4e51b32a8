// 4-bit weights as the 16-bit operands of mma.sync: exact integers, whose scales multiply the sums
// of a group, and not them.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <cstring>

#include "core/int4.h"
#include "cuda/elements.cuh"
#include "cuda/ptx.cuh"

namespace halfword {

// Pairs of 16-bit floats in a word, and what is done with them.
struct Float16Pairs {
  static constexpr uint32_t kInteger = 0x64006400;  // or'ed with an integer below 1024: 1024 more
  static constexpr uint32_t kOnes = 0x3c003c00;
  __device__ static uint32_t subtract(uint32_t a, uint32_t b) {
    __half2 x, y;
    memcpy(&x, &a, sizeof x), memcpy(&y, &b, sizeof y);
    const __half2 difference = __hsub2(x, y);
    uint32_t word;
    memcpy(&word, &difference, sizeof word);
    return word;
  }
  __device__ static void multiply(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    ptx::mma_m16n8k16_f16(d, a, b0, b1);
  }
};
struct BFloat16Pairs {
  static constexpr uint32_t kInteger = 0x43004300;  // below 128: 128 more
  static constexpr uint32_t kOnes = 0x3f803f80;
  __device__ static uint32_t subtract(uint32_t a, uint32_t b) {
    __nv_bfloat162 x, y;
    memcpy(&x, &a, sizeof x), memcpy(&y, &b, sizeof y);
    const __nv_bfloat162 difference = __hsub2(x, y);
    uint32_t word;
    memcpy(&word, &difference, sizeof word);
    return word;
  }
  __device__ static void multiply(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    ptx::mma_m16n8k16_bf16(d, a, b0, b1);
  }
};

// A word of kFragments16: this thread's codes of a row and 32 columns, as two m16n8k16 have them.
// `zero` has the row's zero point in both halves, as kInteger makes it a number.
template <class Pairs>
__device__ __forceinline__ void unpack_codes(uint32_t codes, uint32_t zero, uint32_t (&pairs)[4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    pairs[i] = Pairs::subtract((codes >> (4 * i) & 0x000f000fu) | Pairs::kInteger, zero);
  }
}

// What a group's sums in kRows rows are scaled by and corrected with. As they lie in memory: they
// are loaded a group ahead, and nothing is done with them that would wait for them.
template <int kRows>
class GemmW4A16Group {
 public:
  // Group `group`, if it is one of `groups`, of the lane's rows: `first`, and each 8 after the one
  // before.
  __device__ void load(const Int4Matrix& b, int64_t groups, int group, int first) {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int64_t n = first + 8 * r, i = group * b.n + n;
      scale_[r] = other_[r] = 0;
      if (n >= b.n || group >= groups) continue;
      scale_[r] = word(b.scale, i, b.scale_dtype);
      if (b.zero_point != nullptr) other_[r] = b.zero_point[i];
      if (b.offset != nullptr) other_[r] = word(b.offset, i, b.scale_dtype);
    }
  }

  __device__ F32 scale(const Int4Matrix& b, int r) const {
    return number(scale_[r], b.scale_dtype);
  }

  // The bits of an offset; where there are none, a zero point as unpack_codes has it.
  template <class Pairs>
  __device__ uint32_t other(const Int4Matrix& b, int r) const {
    if (b.offset != nullptr) return bits(number(other_[r], b.scale_dtype)).v;
    return zero_word<Pairs>(b.zero_point != nullptr ? other_[r] : kMiddle);
  }
  template <class Pairs>
  __device__ static uint32_t zero(const Int4Matrix& b, uint32_t other) {
    return b.offset != nullptr ? zero_word<Pairs>(kMiddle) : other;
  }

 private:
  static constexpr uint32_t kMiddle = 8;  // a zero point of 0, as it lies in memory

  template <class Pairs>
  __device__ static uint32_t zero_word(uint32_t zero_point) {
    return Pairs::kInteger | zero_point * 0x00010001u;
  }
  __device__ static uint32_t word(const void* from, int64_t i, Dtype dtype) {
    return dtype == Dtype::kFloat32 ? in_global<const uint32_t>(from)[i]
                                    : in_global<const uint16_t>(from)[i];
  }
  __device__ static F32 number(uint32_t word, Dtype dtype) {
    switch (dtype) {
      case Dtype::kFloat32: return Float32::to_float(word);
      case Dtype::kBFloat16: return BFloat16::to_float(static_cast<uint16_t>(word));
      case Dtype::kFloat16: return Float16::to_float(static_cast<uint16_t>(word));
    }
    return F32(0.0f);
  }

  uint32_t scale_[kRows];
  uint32_t other_[kRows];  // zero points or offsets
};

}  // namespace halfword
