#include "engine/products.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace softgpu {
namespace {

// Exact: |a b| is at most 2^14 (s8 and u8) and k at most 64.
int32_t dot(const int16_t* a, const int16_t* b, int k) {
  int32_t sum = 0;
  for (int i = 0; i < k; ++i) sum += int32_t{a[i]} * int32_t{b[i]};
  return sum;
}

int32_t add(int32_t a, int32_t b, bool saturate) {
  const int64_t sum = int64_t{a} + b;
  if (!saturate) return static_cast<int32_t>(static_cast<uint32_t>(sum));
  return static_cast<int32_t>(std::clamp<int64_t>(sum, std::numeric_limits<int32_t>::min(),
                                                  std::numeric_limits<int32_t>::max()));
}

template <int kDepth>
void multiply_add_integers(const int16_t* a, const int16_t* b, int m, int n, bool saturate,
                           int32_t* d, int ld) {
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      d[i * ld + j] = add(d[i * ld + j], dot(a + i * kDepth, b + j * kDepth, kDepth), saturate);
    }
  }
}

template <class T>
void multiply_add_floats(const T* a, const T* b, int m, int n, int k, T* d, int ld) {
  for (int i = 0; i < m; ++i) {
    for (int l = 0; l < k; ++l) {
      const T x = a[i * k + l];
      for (int j = 0; j < n; ++j) d[i * ld + j] += x * b[l * n + j];
    }
  }
}

uint32_t nibble(const void* packed, int i) {
  return static_cast<const uint8_t*>(packed)[i / 2] >> (i % 2 * 4) & 0xf;
}

template <class T>
T element_at(const void* packed, int i) {
  T value;
  std::memcpy(&value, static_cast<const char*>(packed) + i * sizeof(T), sizeof value);
  return value;
}

}  // namespace

void widen(Element element, const void* packed, int count, int16_t* to) {
  for (int i = 0; i < count; ++i) {
    switch (element) {
      case Element::kS4: to[i] = static_cast<int16_t>((nibble(packed, i) ^ 8) - 8); break;
      case Element::kU4: to[i] = static_cast<int16_t>(nibble(packed, i)); break;
      case Element::kS8: to[i] = element_at<int8_t>(packed, i); break;
      default: to[i] = element_at<uint8_t>(packed, i); break;
    }
  }
}

void widen(Element element, const void* packed, int count, float* to) {
  for (int i = 0; i < count; ++i) {
    switch (element) {
      case Element::kE4m3: to[i] = float_from_e4m3(element_at<uint8_t>(packed, i)); break;
      case Element::kE5m2: to[i] = float_from_e5m2(element_at<uint8_t>(packed, i)); break;
      case Element::kF16: to[i] = float_from_f16(element_at<uint16_t>(packed, i)); break;
      case Element::kBf16: to[i] = float_from_bf16(element_at<uint16_t>(packed, i)); break;
      default: to[i] = float_from_tf32(element_at<uint32_t>(packed, i)); break;
    }
  }
}

void widen(Element, const void* packed, int count, double* to) {
  std::memcpy(to, packed, static_cast<size_t>(count) * sizeof(double));
}

void multiply_add(const int16_t* a, const int16_t* b, int m, int n, int k, bool saturate,
                  int32_t* d, int ld) {
  switch (k) {
    case 16: return multiply_add_integers<16>(a, b, m, n, saturate, d, ld);
    case 32: return multiply_add_integers<32>(a, b, m, n, saturate, d, ld);
    case 64: return multiply_add_integers<64>(a, b, m, n, saturate, d, ld);
    default: break;
  }
}

void multiply_add(const float* a, const float* b, int m, int n, int k, float* d, int ld) {
  multiply_add_floats(a, b, m, n, k, d, ld);
}

void multiply_add(const double* a, const double* b, int m, int n, int k, double* d, int ld) {
  multiply_add_floats(a, b, m, n, k, d, ld);
}

}  // namespace softgpu
