// Integer instructions of PTX on values of their types. Arithmetic is modulo 2^width.
//
// What the manual leaves open, and NVIDIA hardware does: x / 0 is all ones and x % 0 is x;
// the least number divided by -1 is itself, with remainder 0; |least| = least.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace softgpu {

using Bits128 = unsigned __int128;
using SignedBits128 = __int128;

template <class T>
concept Integer = std::is_integral_v<T> && !std::is_same_v<T, bool>;

template <class T>
inline constexpr uint32_t kWidth = sizeof(T) * 8;

// The product of two of them, exactly.
template <class T>
using Wide = std::conditional_t<
    sizeof(T) == 8, std::conditional_t<std::is_signed_v<T>, SignedBits128, Bits128>,
    std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>,
                       std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>>>;

template <Integer T>
T add(T a, std::type_identity_t<T> b) {
  return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

template <Integer T>
T subtract(T a, std::type_identity_t<T> b) {
  return static_cast<T>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}

template <Integer T>
T multiply(T a, std::type_identity_t<T> b) {
  return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

template <Integer T>
Wide<T> multiply_wide(T a, std::type_identity_t<T> b) {
  return static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b);
}

template <Integer T>
T multiply_high(T a, std::type_identity_t<T> b) {
  return static_cast<T>(multiply_wide(a, b) >> kWidth<T>);
}

inline int32_t clamp_to_int32(int64_t x) {
  return static_cast<int32_t>(std::clamp<int64_t>(x, INT32_MIN, INT32_MAX));
}
inline int32_t add_saturating(int32_t a, int32_t b) { return clamp_to_int32(int64_t{a} + b); }
inline int32_t subtract_saturating(int32_t a, int32_t b) { return clamp_to_int32(int64_t{a} - b); }

// The 48-bit product of the low 24 bits: its low or its high 32 bits.
template <Integer T>
int64_t product24(T a, T b) {
  const auto low24 = [](T x) { return static_cast<T>(static_cast<uint32_t>(x) << 8) >> 8; };
  return static_cast<int64_t>(low24(a)) * static_cast<int64_t>(low24(b));
}
template <Integer T>
T multiply24(T a, std::type_identity_t<T> b) {
  return static_cast<T>(product24<T>(a, b));
}
template <Integer T>
T multiply24_high(T a, std::type_identity_t<T> b) {
  return static_cast<T>(product24<T>(a, b) >> 16);
}

template <Integer T>
T add_distance(T a, std::type_identity_t<T> b, std::type_identity_t<T> c) {
  return add<T>(c, a < b ? subtract<T>(b, a) : subtract<T>(a, b));
}

template <Integer T>
T divide(T a, std::type_identity_t<T> b) {
  if (b == 0) return static_cast<T>(~T{0});
  if (std::is_signed_v<T> && b == static_cast<T>(-1)) return subtract<T>(0, a);
  return static_cast<T>(a / b);
}

template <Integer T>
T remainder(T a, std::type_identity_t<T> b) {
  if (b == 0) return a;
  if (std::is_signed_v<T> && b == static_cast<T>(-1)) return 0;
  return static_cast<T>(a % b);
}

template <Integer T>
T negate(T a) {
  return subtract<T>(0, a);
}
template <Integer T>
T absolute(T a) {
  return a < 0 ? negate(a) : a;
}
template <Integer T>
T minimum(T a, std::type_identity_t<T> b) {
  return a < b ? a : b;
}
template <Integer T>
T maximum(T a, std::type_identity_t<T> b) {
  return a > b ? a : b;
}
template <Integer T>
T relu(T a) {
  return a < 0 ? T{0} : a;
}

// Two 16-bit integers in a word, the first in the low half.
template <Integer T>
struct IntegerPair {
  uint32_t bits;
  T low() const { return static_cast<T>(bits); }
  T high() const { return static_cast<T>(bits >> 16); }
};
using UShort2 = IntegerPair<uint16_t>;
using Short2 = IntegerPair<int16_t>;

template <Integer T>
IntegerPair<T> make_pair(T low, T high) {
  return {static_cast<uint32_t>(static_cast<uint16_t>(high)) << 16 | static_cast<uint16_t>(low)};
}
template <Integer T>
IntegerPair<T> add(IntegerPair<T> a, IntegerPair<T> b) {
  return make_pair(add<T>(a.low(), b.low()), add<T>(a.high(), b.high()));
}
template <Integer T>
IntegerPair<T> minimum(IntegerPair<T> a, IntegerPair<T> b) {
  return make_pair(minimum<T>(a.low(), b.low()), minimum<T>(a.high(), b.high()));
}
template <Integer T>
IntegerPair<T> maximum(IntegerPair<T> a, IntegerPair<T> b) {
  return make_pair(maximum<T>(a.low(), b.low()), maximum<T>(a.high(), b.high()));
}
template <Integer T>
IntegerPair<T> relu(IntegerPair<T> a) {
  return make_pair(relu<T>(a.low()), relu<T>(a.high()));
}

// c + the sum of products of bytes of a with bytes, or with 16-bit parts, of the other.
template <class A, class B>
uint32_t dot4(A a, B b, int32_t c) {
  using ByteA = std::conditional_t<std::is_signed_v<A>, int8_t, uint8_t>;
  using ByteB = std::conditional_t<std::is_signed_v<B>, int8_t, uint8_t>;
  uint32_t sum = static_cast<uint32_t>(c);
  for (int i = 0; i < 4; ++i) {
    sum += static_cast<uint32_t>(static_cast<ByteA>(a >> 8 * i) * static_cast<ByteB>(b >> 8 * i));
  }
  return sum;
}
template <class A, class B, int half>
uint32_t dot2(A a, B b, int32_t c) {
  using ShortA = std::conditional_t<std::is_signed_v<A>, int16_t, uint16_t>;
  using ByteB = std::conditional_t<std::is_signed_v<B>, int8_t, uint8_t>;
  uint32_t sum = static_cast<uint32_t>(c);
  for (int i = 0; i < 2; ++i) {
    const int byte = static_cast<ByteB>(b >> (8 * i + 16 * half));
    sum += static_cast<uint32_t>(static_cast<ShortA>(a >> 16 * i) * byte);
  }
  return sum;
}

// CC.CF: the carry of a sum, the borrow of a difference.
template <bool set_carry, Integer T>
T add_with_carry(T a, std::type_identity_t<T> b, bool carry_in, bool& carry) {
  using U = std::make_unsigned_t<T>;
  const Bits128 sum = Bits128{static_cast<U>(a)} + static_cast<U>(b) + carry_in;
  if (set_carry) carry = (sum >> kWidth<T>) != 0;
  return static_cast<T>(sum);
}
template <bool set_carry, Integer T>
T subtract_with_borrow(T a, std::type_identity_t<T> b, bool borrow_in, bool& carry) {
  using U = std::make_unsigned_t<T>;
  const Bits128 difference = Bits128{static_cast<U>(a)} - static_cast<U>(b) - borrow_in;
  if (set_carry) carry = (difference >> kWidth<T>) != 0;
  return static_cast<T>(difference);
}

// For atomics.
template <Integer T>
T wrapping_increment(T old, std::type_identity_t<T> limit) {
  return old >= limit ? 0 : old + 1;
}
template <Integer T>
T wrapping_decrement(T old, std::type_identity_t<T> limit) {
  return old == 0 || old > limit ? limit : old - 1;
}
template <class T>
T bit_and(T a, std::type_identity_t<T> b) {
  return a & b;
}
template <class T>
T bit_or(T a, std::type_identity_t<T> b) {
  return a | b;
}
template <class T>
T bit_xor(T a, std::type_identity_t<T> b) {
  return a ^ b;
}

}  // namespace softgpu
