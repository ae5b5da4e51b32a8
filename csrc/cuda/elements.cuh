// The vocabulary of the formulas (core/adam_math.h, core/dtype.h, core/philox.h) for one thread, and
// how element formats are read and written, eight consecutive elements at a time.
//
// The build says --fmad=false: a product and a sum are rounded one by one, and an fma is written.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <cstring>

#include "core/dtype.h"
#include "core/host_device.h"
#include "core/philox.h"

namespace halfword {

struct U32 {
  uint32_t v;
  U32() = default;
  HALFWORD_INLINE U32(uint32_t x) : v(x) {}
};
struct F32 {
  float v;
  F32() = default;
  HALFWORD_INLINE explicit F32(float x) : v(x) {}
};

HALFWORD_INLINE U32 operator+(U32 a, U32 b) { return a.v + b.v; }
HALFWORD_INLINE U32 operator&(U32 a, U32 b) { return a.v & b.v; }
HALFWORD_INLINE U32 operator|(U32 a, U32 b) { return a.v | b.v; }
HALFWORD_INLINE U32 operator^(U32 a, U32 b) { return a.v ^ b.v; }
HALFWORD_INLINE U32 operator<<(U32 a, int n) { return a.v << n; }
HALFWORD_INLINE U32 operator>>(U32 a, int n) { return a.v >> n; }
HALFWORD_INLINE U32 select(bool m, U32 a, U32 b) { return m ? a : b; }
HALFWORD_INLINE U32 multiply_wide(U32 a, uint32_t b, U32* high) {
  const uint64_t product = static_cast<uint64_t>(a.v) * b;
  *high = static_cast<uint32_t>(product >> 32);
  return static_cast<uint32_t>(product);
}

HALFWORD_INLINE F32 operator+(F32 a, F32 b) { return F32(a.v + b.v); }
HALFWORD_INLINE F32 operator-(F32 a, F32 b) { return F32(a.v - b.v); }
HALFWORD_INLINE F32 operator*(F32 a, F32 b) { return F32(a.v * b.v); }
HALFWORD_INLINE F32 operator/(F32 a, F32 b) { return F32(a.v / b.v); }
HALFWORD_INLINE F32 fma(F32 a, F32 b, F32 c) { return F32(::fmaf(a.v, b.v, c.v)); }
HALFWORD_INLINE F32 sqrt(F32 a) { return F32(::sqrtf(a.v)); }
HALFWORD_INLINE F32 negate(F32 a) { return F32(-a.v); }
HALFWORD_INLINE F32 select(bool m, F32 a, F32 b) { return m ? a : b; }

HALFWORD_INLINE bool exceeds(F32 a, F32 b) { return !(a.v <= b.v); }  // true if either is NaN
HALFWORD_INLINE bool is_nan(F32 a) { return a.v != a.v; }
HALFWORD_INLINE bool is_finite(F32 a) { return a.v - a.v == 0.0f; }

HALFWORD_INLINE U32 bits(F32 a) {
  U32 word;
  memcpy(&word.v, &a.v, sizeof word.v);
  return word;
}
template <class F>
HALFWORD_INLINE F from_bits(U32 word) {
  F a;
  memcpy(&a.v, &word.v, sizeof a.v);
  return a;
}

// An element format: its words in memory, and FP32 from and to them.
struct Float32 {
  using Word = uint32_t;
  __device__ static F32 to_float(Word w) { return from_bits<F32>(w); }
  __device__ static Word nearest(F32 x) { return bits(x).v; }
};
struct BFloat16 {
  using Word = uint16_t;
  __device__ static F32 to_float(Word w) { return from_bits<F32>(static_cast<uint32_t>(w) << 16); }
  __device__ static Word nearest(F32 x) {
    return __bfloat16_as_ushort(__float2bfloat16_rn(x.v));
  }
};
struct Float16 {
  using Word = uint16_t;
  __device__ static F32 to_float(Word w) { return F32(__half2float(__ushort_as_half(w))); }
  __device__ static Word nearest(F32 x) { return __half_as_ushort(__float2half_rn(x.v)); }
};

// FP32 from and to one element of a type that is known at run time.
__device__ __forceinline__ F32 load_element(const void* p, int64_t i, Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat32: return F32(static_cast<const float*>(p)[i]);
    case Dtype::kBFloat16: return BFloat16::to_float(static_cast<const uint16_t*>(p)[i]);
    case Dtype::kFloat16: return Float16::to_float(static_cast<const uint16_t*>(p)[i]);
  }
  return F32(0.0f);
}
__device__ __forceinline__ void store_element(void* p, int64_t i, Dtype dtype, F32 x) {
  switch (dtype) {
    case Dtype::kFloat32: static_cast<float*>(p)[i] = x.v; return;
    case Dtype::kBFloat16: static_cast<uint16_t*>(p)[i] = BFloat16::nearest(x); return;
    case Dtype::kFloat16: static_cast<uint16_t*>(p)[i] = Float16::nearest(x); return;
  }
}

// Eight elements in a row, of which [first, last) exist: a thread's share of a vector access.
constexpr int kEight = 8;

struct Span {
  int64_t begin;  // element of eight[0]; negative where the first elements do not exist
  int first;
  int last;
  __device__ Span(int64_t begin, int64_t numel)
      : begin(begin),
        first(begin < 0 ? static_cast<int>(-begin) : 0),
        last(numel - begin < kEight ? static_cast<int>(numel - begin) : kEight) {}
  __device__ bool whole() const { return first == 0 && last == kEight; }
  __device__ bool has(int e) const { return e >= first && e < last; }
};

template <class Word>
struct Eight {
  Word word[kEight];
};

constexpr int kVectorBytes = 16;

// `aligned`: eight[0] lies at a multiple of the widest access that eight elements take.
template <class Word>
__device__ __forceinline__ Eight<Word> load_eight(const void* p, Span span, bool aligned) {
  const Word* from = static_cast<const Word*>(p) + span.begin;
  Eight<Word> eight;
  if (aligned && span.whole()) {
    if constexpr (sizeof eight < kVectorBytes) {
      const uint2 piece = *reinterpret_cast<const uint2*>(from);
      memcpy(&eight, &piece, sizeof eight);
    } else {
      uint4 piece[sizeof eight / kVectorBytes];
#pragma unroll
      for (int i = 0; i < static_cast<int>(sizeof eight / kVectorBytes); ++i) {
        piece[i] = reinterpret_cast<const uint4*>(from)[i];
      }
      memcpy(&eight, &piece, sizeof eight);
    }
    return eight;
  }
#pragma unroll
  for (int e = 0; e < kEight; ++e) eight.word[e] = span.has(e) ? from[e] : Word{0};
  return eight;
}

template <class Word>
__device__ __forceinline__ void store_eight(void* p, Span span, bool aligned,
                                            const Eight<Word>& eight) {
  static_assert(sizeof eight >= kVectorBytes);
  Word* to = static_cast<Word*>(p) + span.begin;
  if (aligned && span.whole()) {
    uint4 piece[sizeof eight / kVectorBytes];
    memcpy(&piece, &eight, sizeof eight);
#pragma unroll
    for (int i = 0; i < static_cast<int>(sizeof eight / kVectorBytes); ++i) {
      reinterpret_cast<uint4*>(to)[i] = piece[i];
    }
    return;
  }
#pragma unroll
  for (int e = 0; e < kEight; ++e) {
    if (span.has(e)) to[e] = eight.word[e];
  }
}

// The same as FP32.
struct EightFloats {
  F32 v[kEight];
};

template <class Format>
__device__ __forceinline__ EightFloats load_floats(const void* p, Span span, bool aligned) {
  const auto eight = load_eight<typename Format::Word>(p, span, aligned);
  EightFloats x;
#pragma unroll
  for (int e = 0; e < kEight; ++e) x.v[e] = Format::to_float(eight.word[e]);
  return x;
}

template <class Format>
__device__ __forceinline__ void store_floats(void* p, Span span, bool aligned,
                                             const EightFloats& x) {
  Eight<typename Format::Word> eight;
#pragma unroll
  for (int e = 0; e < kEight; ++e) eight.word[e] = Format::nearest(x.v[e]);
  store_eight(p, span, aligned, eight);
}

// The 16 random bits of an element, of the words of its Philox call.
__device__ __forceinline__ U32 random_bits(const PhiloxWords<U32>& call, int e) {
  return (call.word[e / 2] >> (16 * (e % 2))) & 0xffffu;
}

}  // namespace halfword
