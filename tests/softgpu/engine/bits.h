// Bit fields, logic, shifts and permutations of PTX.
#pragma once

#include <bit>
#include <cstdint>

#include "engine/integer.h"

namespace softgpu {

// What a shift or a width past 32 does.
enum class Past { kClamp, kWrap };
enum class LogicOp { kAnd, kOr, kXor };
enum class Permute {
  kDefault,
  kForward4,
  kBackward4,
  kReplicate8,
  kEdgeLeft,
  kEdgeRight,
  kReplicate16
};

template <Integer T>
T shift_left(T a, uint32_t n) {
  return n >= kWidth<T> ? T{0} : static_cast<T>(static_cast<uint64_t>(a) << n);
}

// Copies of the sign come in if T is signed.
template <Integer T>
T shift_right(T a, uint32_t n) {
  if (n < kWidth<T>) return static_cast<T>(a >> n);
  return a < 0 ? static_cast<T>(-1) : T{0};
}

template <Past past>
uint32_t shift_amount(uint32_t n) {
  return past == Past::kWrap ? n & 31 : std::min(n, 32u);
}
// The high 32 bits of b:a shifted left, the low ones shifted right.
template <Past past>
uint32_t funnel_left(uint32_t a, uint32_t b, uint32_t n) {
  const uint64_t both = static_cast<uint64_t>(b) << 32 | a;
  return static_cast<uint32_t>(both << shift_amount<past>(n) >> 32);
}
template <Past past>
uint32_t funnel_right(uint32_t a, uint32_t b, uint32_t n) {
  const uint64_t both = static_cast<uint64_t>(b) << 32 | a;
  return static_cast<uint32_t>(both >> shift_amount<past>(n));
}

template <Integer T>
T reverse_bits(T x) {
  T reversed = 0;
  for (uint32_t i = 0; i < kWidth<T>; ++i) reversed = static_cast<T>(reversed << 1 | (x >> i & 1));
  return reversed;
}

// The highest bit that is not a copy of the sign, or all ones if there is none.
template <Integer T>
uint32_t find_leading_bit(T x) {
  const auto bits = static_cast<std::make_unsigned_t<T>>(x < 0 ? ~x : x);
  return static_cast<uint32_t>(std::bit_width(bits)) - 1;
}
// By how much to shift left so that it comes to the top.
template <Integer T>
uint32_t leading_bit_shift(T x) {
  const uint32_t bit = find_leading_bit(x);
  return bit == ~0u ? ~0u : kWidth<T> - 1 - bit;
}

// The position of the |offset|-th set bit, upwards or downwards from base; of base itself if
// offset is 0 and its bit is set. Otherwise all ones.
inline uint32_t find_nth_set(uint32_t mask, uint32_t base, int32_t offset) {
  if (offset == 0) return base < 32 && (mask >> base & 1) ? base : ~0u;
  const int64_t step = offset > 0 ? 1 : -1;
  int64_t left = offset > 0 ? offset : -int64_t{offset};
  for (int64_t bit = base; 0 <= bit && bit < 32; bit += step) {
    if ((mask >> bit & 1) && --left == 0) return static_cast<uint32_t>(bit);
  }
  return ~0u;
}

// Position and length are bytes.
template <Integer T>
T extract_field(T a, uint32_t position, uint32_t length) {
  position &= 255;
  length &= 255;
  if (length == 0) return 0;
  using U = std::make_unsigned_t<T>;
  const uint32_t top = std::min(position + length - 1, kWidth<T> - 1);
  const bool sign = std::is_signed_v<T> && (static_cast<U>(a) >> top & 1);
  const U mask = length >= kWidth<T> ? static_cast<U>(~U{0}) : static_cast<U>((U{1} << length) - 1);
  const U field = shift_right<U>(static_cast<U>(a), position) & mask;
  const uint32_t real = position < kWidth<T> ? std::min(length, kWidth<T> - position) : 0;
  const U above = real >= kWidth<T> ? U{0} : static_cast<U>(~U{0} << real);
  return static_cast<T>(sign ? field | above : field);
}
template <Integer T>
T insert_field(T a, std::type_identity_t<T> b, uint32_t position, uint32_t length) {
  position &= 255;
  length &= 255;
  const T ones = length >= kWidth<T> ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << length) - 1);
  const T mask = shift_left<T>(ones, position);
  return static_cast<T>((b & ~mask) | (shift_left<T>(a, position) & mask));
}

template <Past past, Integer T>
T extend_sign(T a, uint32_t width) {
  if (past == Past::kClamp && width >= 32) return a;
  width &= 31;
  if (width == 0) return 0;
  const uint32_t up = static_cast<uint32_t>(a) << (32 - width);
  return static_cast<T>(static_cast<T>(up) >> (32 - width));
}
template <Past past>
uint32_t bit_mask(uint32_t position, uint32_t width) {
  if (past == Past::kWrap) {
    position &= 31;
    width &= 31;
  }
  const uint32_t ones = width >= 32 ? ~0u : (1u << width) - 1;
  return shift_left<uint32_t>(ones, position);
}

// Bit i of the table says what three bits a, b, c with 4a + 2b + c = i give.
template <int table>
uint32_t look_up(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t result = 0;
  if (table & 0x01) result |= ~a & ~b & ~c;
  if (table & 0x02) result |= ~a & ~b & c;
  if (table & 0x04) result |= ~a & b & ~c;
  if (table & 0x08) result |= ~a & b & c;
  if (table & 0x10) result |= a & ~b & ~c;
  if (table & 0x20) result |= a & ~b & c;
  if (table & 0x40) result |= a & b & ~c;
  if (table & 0x80) result |= a & b & c;
  return result;
}
template <LogicOp op>
bool combine(bool a, bool b) {
  return op == LogicOp::kAnd ? a && b : op == LogicOp::kOr ? a || b : a != b;
}
template <LogicOp op>
bool look_up_predicate(uint32_t result, bool q) {
  return combine<op>(result != 0, q);
}

// Which byte of b:a goes to byte i, for the modes that replicate or shift.
template <Permute mode>
uint32_t chosen_byte(uint32_t i, uint32_t c) {
  c &= 3;
  switch (mode) {
    case Permute::kForward4: return c + i;
    case Permute::kBackward4: return (c + 8 - i) & 7;
    case Permute::kReplicate8: return c;
    case Permute::kEdgeLeft: return std::max(i, c);
    case Permute::kEdgeRight: return std::min(i, c);
    case Permute::kReplicate16: return (c & 1) * 2 + (i & 1);
    default: return 0;
  }
}
template <Permute mode = Permute::kDefault>
uint32_t permute_bytes(uint32_t a, uint32_t b, uint32_t c) {
  const uint64_t bytes = static_cast<uint64_t>(b) << 32 | a;
  uint32_t result = 0;
  for (uint32_t i = 0; i < 4; ++i) {
    const uint32_t selector = c >> 4 * i & 15;
    const uint32_t from = mode == Permute::kDefault ? selector & 7 : chosen_byte<mode>(i, c);
    uint32_t byte = static_cast<uint8_t>(bytes >> 8 * from);
    if (mode == Permute::kDefault && (selector & 8)) byte = byte & 0x80 ? 0xff : 0;
    result |= byte << 8 * i;
  }
  return result;
}

}  // namespace softgpu
