// setp and set: comparisons, ordered (false with a NaN) and unordered (true with one).
#pragma once

#include "engine/bits.h"
#include "engine/halves.h"

namespace softgpu {

enum class Compare {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kEqualOrNan,
  kNotEqualOrNan,
  kLessOrNan,
  kLessEqualOrNan,
  kGreaterOrNan,
  kGreaterEqualOrNan,
  kNumbers,
  kNan
};

// What comparisons see of an operand.
template <bool ftz, Integer T>
T comparable(T x) {
  return x;
}
template <bool ftz, Floating T>
T comparable(T x) {
  return flush<ftz>(x);
}
template <bool ftz, HalfFloat H>
double comparable(H x) {
  return widen(flush<ftz>(x));
}

template <Compare comparison, bool ftz, class T>
bool compare(T left, T right) {
  const auto a = comparable<ftz>(left);
  const auto b = comparable<ftz>(right);
  const bool nan = a != a || b != b;
  switch (comparison) {
    case Compare::kEqual: return a == b;
    case Compare::kNotEqual: return !nan && a != b;
    case Compare::kLess: return a < b;
    case Compare::kLessEqual: return a <= b;
    case Compare::kGreater: return a > b;
    case Compare::kGreaterEqual: return a >= b;
    case Compare::kEqualOrNan: return nan || a == b;
    case Compare::kNotEqualOrNan: return a != b;
    case Compare::kLessOrNan: return nan || a < b;
    case Compare::kLessEqualOrNan: return nan || a <= b;
    case Compare::kGreaterOrNan: return nan || a > b;
    case Compare::kGreaterEqualOrNan: return nan || a >= b;
    case Compare::kNumbers: return !nan;
    default: return nan;
  }
}

struct Both {
  bool e[2];
};
template <Compare comparison, bool ftz, HalfFloat H>
Both compare_both(PairOf<H> a, PairOf<H> b) {
  return {compare<comparison, ftz>(a.low(), b.low()), compare<comparison, ftz>(a.high(), b.high())};
}

// 1.0 in a float type, all ones in an integer type.
template <class T>
T set_if(bool condition) {
  if constexpr (Integer<T>) {
    return condition ? static_cast<T>(~T{0}) : T{0};
  } else if constexpr (Floating<T>) {
    return condition ? T{1} : T{0};
  } else {
    return narrow<T>(condition ? 1 : 0);
  }
}
template <class T>
T set_both(Both conditions) {
  if constexpr (Integer<T>) {
    return static_cast<T>((conditions.e[0] ? 0xffffu : 0) | (conditions.e[1] ? 0xffff0000u : 0));
  } else {
    using H = typename T::Element;
    return make_pair(set_if<H>(conditions.e[0]), set_if<H>(conditions.e[1]));
  }
}

}  // namespace softgpu
