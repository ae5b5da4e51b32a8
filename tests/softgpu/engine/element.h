// The element types that copies and matrix products name, and their conversions.
#pragma once

#include <cstdint>
#include <cstring>

namespace softgpu {

enum class Element : uint8_t {
  kS4,
  kU4,
  kS8,
  kU8,
  kS32,
  kU32,
  kS64,
  kU64,
  kB16,
  kB32,
  kB64,
  kE4m3,
  kE5m2,
  kF16,
  kBf16,
  kTf32,
  kF32,
  kF64,
};

constexpr uint32_t element_bits(Element element) {
  switch (element) {
    case Element::kS4:
    case Element::kU4: return 4;
    case Element::kS8:
    case Element::kU8:
    case Element::kE4m3:
    case Element::kE5m2: return 8;
    case Element::kB16:
    case Element::kF16:
    case Element::kBf16: return 16;
    case Element::kS64:
    case Element::kU64:
    case Element::kB64:
    case Element::kF64: return 64;
    default: return 32;
  }
}

constexpr bool is_integer(Element element) { return element <= Element::kB64; }

inline float float_from_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline uint32_t bits_of_float(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float float_from_f16(uint16_t bits) {
  _Float16 value;
  std::memcpy(&value, &bits, sizeof value);
  return static_cast<float>(value);
}

inline uint16_t f16_from_float(float value) {
  const auto rounded = static_cast<_Float16>(value);
  uint16_t bits;
  std::memcpy(&bits, &rounded, sizeof bits);
  return bits;
}

inline float float_from_bf16(uint16_t bits) { return float_from_bits(uint32_t{bits} << 16); }

inline uint16_t bf16_from_float(float value) {
  const uint32_t bits = bits_of_float(value);
  if (value != value) return 0x7fff;
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float float_from_e5m2(uint8_t bits) {
  return float_from_f16(static_cast<uint16_t>(bits << 8));  // the upper half of an f16
}

// Like f16 with a bias of 7, but without infinities: only all ones is a NaN.
inline float float_from_e4m3(uint8_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x80) << 24;
  if ((bits & 0x7f) == 0x7f) return float_from_bits(sign | 0x7fc00000);
  const float magnitude = float_from_bits((bits & 0x7fu) << 20);  // exponents as in a float, ...
  constexpr float kRebias = 0x1p120f;                             // ... whose bias is 127
  return float_from_bits(sign | bits_of_float(magnitude * kRebias));
}

// The tensor cores ignore the 13 bits of a float that tf32 lacks.
inline float float_from_tf32(uint32_t bits) { return float_from_bits(bits & ~0x1fffu); }

}  // namespace softgpu
