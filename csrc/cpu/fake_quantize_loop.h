// Values instead of codes, at the end of the quantizing loops.
// Include after one of the simd_*.h headers.
#pragma once

#include "cpu/fake_quantize_run.h"
#include "cpu/quantize_loop.h"

namespace halfword {
namespace {

// What the code of a rounding's number stands for.
template <class Rounding>
struct NumberValue {
  HALFWORD_INLINE static F32 of(F32 number, F32 scale, F32 zero_point, CodeRange) {
    return linear_value(round_even(number) + zero_point, scale, zero_point);
  }
};
template <>
struct NumberValue<Log2> {
  HALFWORD_INLINE static F32 of(F32 number, F32 scale, F32, CodeRange range) {
    return log2_value(number, scale, range);
  }
};

struct ValueSink {
  static constexpr bool kCodes = false;
  template <class Element, class Rounding, class Scales>
  HALFWORD_INLINE static void run(const void* x, int64_t count, const Scales& scales,
                                  CodeRange range, const uint16_t* random, const QuantizeOut& out,
                                  int64_t place, RowSum*) {
    using Word = typename Element::Word;
    const auto value = [&](F32 v, int64_t i) {
      const F32 zero_point = scales.zero_point(i);
      const F32 number =
          Rounding::number(v, scales.inv(i), zero_point, range, random_of<Rounding>(random, i));
      return NumberValue<Rounding>::of(number, scales.scale(i), zero_point, range);
    };
    auto* values = static_cast<Word*>(out.values) + place;
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      Element::store(values, i, value(Element::load(x, i), i));
    }
    if (i < count) {
      Word last[kLanes];
      Element::store(last, 0, value(load_some<Element>(x, i, count - i), i));
      for (int64_t l = 0; i + l < count; ++l) values[i + l] = last[l];
    }
  }
};

HALFWORD_INLINE QuantizeLoop select_fake_quantize_loop(Dtype dtype) {
  return select_quantize_loop<ValueSink>(dtype);
}

}  // namespace
}  // namespace halfword
