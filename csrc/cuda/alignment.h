// Whether the streams of a tensor can be accessed a pack of elements at a time, and from where.
#pragma once

#include <cstddef>
#include <cstdint>

namespace halfword {

struct Stream {
  const void* memory;  // null: there is none
  size_t element_size;
};

constexpr int64_t kUnaligned = -1;

// The number of elements that the first pack lacks at its front, so that all others lie at
// multiples of their widest access in every stream; kUnaligned if there is none. `shiftable` false:
// packs must begin at multiples of their size.
template <size_t kStreams>
int64_t alignment_shift(const Stream (&streams)[kStreams], size_t pack, bool shiftable = true) {
  for (size_t shift = 0; shift < (shiftable ? pack : 1); ++shift) {
    bool aligned = true;
    for (const Stream& stream : streams) {
      if (stream.memory == nullptr) continue;
      const size_t bytes = pack * stream.element_size;
      const auto first_whole =
          reinterpret_cast<uintptr_t>(stream.memory) + (pack - shift) * stream.element_size;
      const size_t access = bytes < 16 ? bytes : 16;  // a power of two
      aligned &= (first_whole & (access - 1)) == 0;
    }
    if (aligned) return static_cast<int64_t>(shift);
  }
  return kUnaligned;
}

inline int64_t tiles_of(int64_t numel, int64_t shift, int64_t tile) {
  return numel == 0 ? 0 : (numel + (shift == kUnaligned ? 0 : shift) + tile - 1) / tile;
}

}  // namespace halfword
