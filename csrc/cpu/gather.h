// Copies between strided memory and a dense buffer, by element size.
#pragma once

#include <cstdint>
#include <cstring>

namespace halfword {

template <class Word>
void copy_strided(void* to, int64_t to_stride, const void* from, int64_t from_stride,
                  int64_t count) {
  auto* out = static_cast<Word*>(to);
  const auto* in = static_cast<const Word*>(from);
  if (to_stride == 1 && from_stride == 1) {
    std::memcpy(out, in, static_cast<size_t>(count) * sizeof(Word));
    return;
  }
  for (int64_t i = 0; i < count; ++i) out[i * to_stride] = in[i * from_stride];
}

inline void copy_elements(void* to, int64_t to_stride, const void* from, int64_t from_stride,
                          int64_t count, size_t element_size) {
  switch (element_size) {
    case 1: return copy_strided<uint8_t>(to, to_stride, from, from_stride, count);
    case 2: return copy_strided<uint16_t>(to, to_stride, from, from_stride, count);
    case 4: return copy_strided<uint32_t>(to, to_stride, from, from_stride, count);
    default: return;
  }
}

inline const char* advance(const void* p, int64_t elements, size_t element_size) {
  return static_cast<const char*>(p) + elements * static_cast<int64_t>(element_size);
}
inline char* advance(void* p, int64_t elements, size_t element_size) {
  return static_cast<char*>(p) + elements * static_cast<int64_t>(element_size);
}

}  // namespace halfword
