// The vocabulary of the formulas (core/adam_math.h, core/dtype.h, core/philox.h) for one thread,
// and how element formats are read and written, eight consecutive elements at a time.
//
// The build says --fmad=false: a product and a sum are rounded one by one, and an fma is written.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "core/dtype.h"
#include "core/host_device.h"
#include "core/philox.h"
#include "cuda/ptx.cuh"

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

// For quantizers; see cpu/simd_portable.h.
HALFWORD_INLINE F32 maximum(F32 a, F32 b) { return a.v > b.v ? a : b; }
HALFWORD_INLINE F32 minimum(F32 a, F32 b) { return a.v < b.v ? a : b; }
HALFWORD_INLINE U32 maximum(U32 a, U32 b) { return a.v > b.v ? a : b; }
HALFWORD_INLINE bool is_less(F32 a, F32 b) { return a.v < b.v; }
HALFWORD_INLINE F32 magnitude(F32 a) { return F32(::fabsf(a.v)); }
HALFWORD_INLINE F32 round_even(F32 a) { return F32(::rintf(a.v)); }
HALFWORD_INLINE F32 round_down(F32 a) { return F32(::floorf(a.v)); }
HALFWORD_INLINE U32 to_integer(F32 a) { return static_cast<uint32_t>(static_cast<int32_t>(a.v)); }
HALFWORD_INLINE F32 from_integer(U32 a) {
  return F32(static_cast<float>(static_cast<int32_t>(a.v)));
}
HALFWORD_INLINE U32 operator-(U32 a, U32 b) { return a.v - b.v; }

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
  __device__ static Word nearest(F32 x) { return __bfloat16_as_ushort(__float2bfloat16_rn(x.v)); }
};
struct Float16 {
  using Word = uint16_t;
  __device__ static F32 to_float(Word w) { return F32(__half2float(__ushort_as_half(w))); }
  __device__ static Word nearest(F32 x) { return __half_as_ushort(__float2half_rn(x.v)); }
};

// Consecutive elements, as many at a time as lets a warp's access of the widest type take 16 bytes
// a thread; where they are fewer, or not aligned, one by one.
// Held as 32-bit words where it has so many bytes, which is what keeps its accesses whole.
template <class Word, int kCount>
struct Pack {
  static constexpr int kBytes = kCount * sizeof(Word);
  using Raw = std::conditional_t<kBytes % 4 == 0, uint32_t, Word>;
  static constexpr int kWordsInRaw = sizeof(Raw) / sizeof(Word);
  static constexpr int kWordBits = 8 * sizeof(Word);

  Raw raw[kBytes / sizeof(Raw)];

  __device__ __forceinline__ Word get(int e) const {
    return static_cast<Word>(raw[e / kWordsInRaw] >> (kWordBits * (e % kWordsInRaw)));
  }
  // In order, from the first on.
  __device__ __forceinline__ void append(int e, Word word) {
    const Raw shifted = static_cast<Raw>(static_cast<Raw>(word) << (kWordBits * (e % kWordsInRaw)));
    if (e % kWordsInRaw == 0) {
      raw[e / kWordsInRaw] = shifted;
    } else {
      raw[e / kWordsInRaw] |= shifted;
    }
  }
};

// Pointers come out of a table: without being told, the compiler takes them for any space.
template <class T>
__device__ __forceinline__ T* in_global(const void* p) {
  __builtin_assume(__isGlobal(p));
  return static_cast<T*>(const_cast<void*>(p));
}

template <class Raw, int kRaws>
__device__ __forceinline__ void load_raw(const void* p, Raw (&raw)[kRaws]) {
  if constexpr (kRaws % 4 == 0) {
#pragma unroll
    for (int i = 0; i < kRaws; i += 4) {
      const uint4 piece = ptx::load_global_v4(static_cast<const Raw*>(p) + i);
      raw[i] = piece.x, raw[i + 1] = piece.y, raw[i + 2] = piece.z, raw[i + 3] = piece.w;
    }
  } else if constexpr (kRaws == 2) {
    const uint2 piece = ptx::load_global_v2(p);
    raw[0] = piece.x, raw[1] = piece.y;
  } else {
    static_assert(kRaws == 1);
    raw[0] = *in_global<const Raw>(p);
  }
}

template <class Raw, int kRaws>
__device__ __forceinline__ void store_raw(void* p, const Raw (&raw)[kRaws]) {
  if constexpr (kRaws % 4 == 0) {
#pragma unroll
    for (int i = 0; i < kRaws; i += 4) {
      ptx::store_global_v4(static_cast<Raw*>(p) + i,
                           make_uint4(raw[i], raw[i + 1], raw[i + 2], raw[i + 3]));
    }
  } else if constexpr (kRaws == 2) {
    ptx::store_global_v2(p, make_uint2(raw[0], raw[1]));
  } else {
    static_assert(kRaws == 1);
    *in_global<Raw>(p) = raw[0];
  }
}

template <int kCount, class Word>
__device__ __forceinline__ Pack<Word, kCount> load_words(const void* p, int64_t i) {
  Pack<Word, kCount> pack;
  load_raw(static_cast<const Word*>(p) + i, pack.raw);
  return pack;
}
template <int kCount, class Word>
__device__ __forceinline__ void store_words(void* p, int64_t i, const Pack<Word, kCount>& pack) {
  store_raw(static_cast<Word*>(p) + i, pack.raw);
}

// The same as FP32.
template <int kCount>
struct Floats {
  F32 v[kCount];
};

template <class Format, int kCount>
__device__ __forceinline__ Floats<kCount> load_floats(const void* p, int64_t i) {
  const auto pack = load_words<kCount, typename Format::Word>(p, i);
  Floats<kCount> x;
#pragma unroll
  for (int e = 0; e < kCount; ++e) x.v[e] = Format::to_float(pack.get(e));
  return x;
}

template <class Format, int kCount>
__device__ __forceinline__ void store_floats(void* p, int64_t i, const Floats<kCount>& x) {
  Pack<typename Format::Word, kCount> pack;
#pragma unroll
  for (int e = 0; e < kCount; ++e) pack.append(e, Format::nearest(x.v[e]));
  store_words(p, i, pack);
}

// The same where they are not aligned.
template <class Format, int kCount>
__device__ __forceinline__ Floats<kCount> load_floats_singly(const void* p, int64_t i) {
  Floats<kCount> x;
#pragma unroll
  for (int e = 0; e < kCount; ++e) x.v[e] = load_floats<Format, 1>(p, i + e).v[0];
  return x;
}

template <class Format, int kCount>
__device__ __forceinline__ void store_floats_singly(void* p, int64_t i, const Floats<kCount>& x) {
#pragma unroll
  for (int e = 0; e < kCount; ++e) store_floats<Format, 1>(p, i + e, {x.v[e]});
}

// FP32 from and to one element of a type that is known at run time.
__device__ __forceinline__ F32 load_element(const void* p, int64_t i, Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat32: return load_floats<Float32, 1>(p, i).v[0];
    case Dtype::kBFloat16: return load_floats<BFloat16, 1>(p, i).v[0];
    case Dtype::kFloat16: return load_floats<Float16, 1>(p, i).v[0];
  }
  return F32(0.0f);
}
__device__ __forceinline__ void store_element(void* p, int64_t i, Dtype dtype, F32 x) {
  switch (dtype) {
    case Dtype::kFloat32: return store_floats<Float32, 1>(p, i, {x});
    case Dtype::kBFloat16: return store_floats<BFloat16, 1>(p, i, {x});
    case Dtype::kFloat16: return store_floats<Float16, 1>(p, i, {x});
  }
}

// Calls pack(first element) where all of elements [begin, begin + kCount) exist, else one(element)
// for each that does; `begin` is negative where the first elements lie before an aligned place.
template <int kCount, class Whole, class One>
__device__ __forceinline__ void for_elements(int64_t begin, int64_t numel, const Whole& whole,
                                             const One& one) {
  if (begin >= 0 && begin + kCount <= numel) {
    whole(begin);
    return;
  }
#pragma unroll 1
  for (int64_t i = begin < 0 ? 0 : begin; i < begin + kCount && i < numel; ++i) one(i);
}

// The 16 random bits of element e of a Philox call's eight. Without an index into the words: an
// array whose index is not known lies in memory.
__device__ __forceinline__ U32 random_bits(const PhiloxWords<U32>& call, int e) {
  const U32 low = e / 2 == 0 ? call.word[0] : call.word[1];
  const U32 high = e / 2 == 2 ? call.word[2] : call.word[3];
  return ((e < 4 ? low : high) >> (16 * (e % 2))) & 0xffffu;
}

}  // namespace halfword
