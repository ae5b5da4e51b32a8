// How a vector of FP32 is read from and written to memory, one type an element format.
// Include after one of the simd_*.h headers.
#pragma once

#include <cstdint>

namespace halfword {
namespace {

struct Float32 {
  using Word = uint32_t;
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
  HALFWORD_INLINE static F32 to_float(U16 half) { return from_bits<F32>(widen(half) << 16); }
  HALFWORD_INLINE static U16 nearest(F32 x) { return narrow(bfloat16_nearest(x)); }
  HALFWORD_INLINE static uint32_t magnitude_as_float32(uint32_t word) { return word << 16; }
};

struct Float16Format {
  HALFWORD_INLINE static F32 to_float(U16 half) { return float_from_float16(half); }
  HALFWORD_INLINE static U16 nearest(F32 x) { return float16_nearest(x); }
  HALFWORD_INLINE static uint32_t magnitude_as_float32(uint32_t word) {
    return largest_lane(bits(float_from_float16(narrow(U32(word)))));
  }
};

using BFloat16 = Half<BFloat16Format>;
using Float16 = Half<Float16Format>;

}  // namespace
}  // namespace halfword
