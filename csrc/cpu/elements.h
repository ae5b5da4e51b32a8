// How a vector of FP32 is read from and written to memory, one type an element format.
// Include after one of the simd_*.h headers.
#pragma once

#include <cstdint>

namespace halfword {
namespace {

// Two vectors of consecutive elements, in the order that costs a format the least. Of a format that
// takes turns `a` has the even elements and `b` the odd ones: the halves of words, which no shuffle
// has to widen or narrow. Else `b` comes behind `a`, and with one lane that is the same.
struct FloatPair {
  F32 a;
  F32 b;
};

struct Float32 {
  using Word = uint32_t;
  static constexpr bool kTurns = false;
  HALFWORD_INLINE static F32 from_words(U32 words) { return from_bits<F32>(words); }
  HALFWORD_INLINE static F32 load(const void* p, int64_t i) {
    return load_floats(static_cast<const float*>(p) + i);
  }
  HALFWORD_INLINE static void store(void* p, int64_t i, F32 x) {
    store_floats(static_cast<float*>(p) + i, x);
  }
  HALFWORD_INLINE static F32 round(F32 x) { return x; }  // what a store and a load make of it
  HALFWORD_INLINE static uint32_t largest_magnitude(const void* p, int64_t count) {
    return largest_word(static_cast<const uint32_t*>(p), count);
  }
  HALFWORD_INLINE static uint32_t magnitude_as_float32(uint32_t word) { return word; }
};

// A 16-bit float; Format says how FP32 becomes its bits and back.
template <class Format>
struct Half : Format {
  using Word = uint16_t;
  HALFWORD_INLINE static F32 from_words(U16 words) { return Format::to_float(words); }
  HALFWORD_INLINE static F32 load(const void* p, int64_t i) {
    return Format::to_float(load_halves(static_cast<const uint16_t*>(p) + i));
  }
  HALFWORD_INLINE static void store(void* p, int64_t i, F32 x) {
    store_halves(static_cast<uint16_t*>(p) + i, Format::nearest(x));
  }
  HALFWORD_INLINE static F32 round(F32 x) { return Format::to_float(Format::nearest(x)); }
  HALFWORD_INLINE static uint32_t largest_magnitude(const void* p, int64_t count) {
    return largest_half(static_cast<const uint16_t*>(p), count);
  }
};

struct BFloat16Format {
  static constexpr bool kTurns = true;
  HALFWORD_INLINE static F32 low_float(U32 words) { return from_bits<F32>(words << 16); }
  HALFWORD_INLINE static F32 high_float(U32 words) {
    return from_bits<F32>(words & U32(0xffff0000u));
  }
  HALFWORD_INLINE static F32 to_float(U16 half) { return from_bits<F32>(widen(half) << 16); }
  HALFWORD_INLINE static U16 nearest(F32 x) { return narrow(bfloat16_nearest(x)); }
  HALFWORD_INLINE static U32 words_nearest(F32 low, F32 high) {
    return bfloat16_nearest(low) | (bfloat16_in_high_half(high) & U32(0xffff0000u));
  }
  HALFWORD_INLINE static uint32_t magnitude_as_float32(uint32_t word) { return word << 16; }
};

struct Float16Format {
  static constexpr bool kTurns = false;
  HALFWORD_INLINE static F32 to_float(U16 half) { return float_from_float16(half); }
  HALFWORD_INLINE static U16 nearest(F32 x) { return float16_nearest(x); }
  HALFWORD_INLINE static uint32_t magnitude_as_float32(uint32_t word) {
    return largest_lane(bits(float_from_float16(narrow(U32(word)))));
  }
};

using BFloat16 = Half<BFloat16Format>;
using Float16 = Half<Float16Format>;

template <class Element>
HALFWORD_INLINE FloatPair load_pair(const void* p, int64_t i) {
  if constexpr (Element::kTurns && kLanes > 1) {
    const auto* halves = static_cast<const uint16_t*>(p) + i;
    const U32 words = load_words(reinterpret_cast<const uint32_t*>(halves));
    return {Element::low_float(words), Element::high_float(words)};
  } else {
    return {Element::load(p, i), Element::load(p, i + kLanes)};
  }
}

template <class Element>
HALFWORD_INLINE void store_pair(void* p, int64_t i, FloatPair x) {
  if constexpr (Element::kTurns && kLanes > 1) {
    auto* halves = static_cast<uint16_t*>(p) + i;
    store_words(reinterpret_cast<uint32_t*>(halves), Element::words_nearest(x.a, x.b));
  } else {
    Element::store(p, i, x.a);
    Element::store(p, i + kLanes, x.b);
  }
}

}  // namespace
}  // namespace halfword
