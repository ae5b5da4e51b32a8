// Which streams of a tensor can be accessed eight elements at a time, and from where.
#pragma once

#include <cstddef>
#include <cstdint>

namespace halfword {

struct Stream {
  const void* memory;  // null: there is none
  size_t element_size;
};

struct Alignment {
  int64_t shift;     // the first eight elements lack so many at their front
  uint32_t aligned;  // bit s: all whole eights of stream s lie at a multiple of their access
};

// The shift that lets the most bytes be accessed so; the smallest of those. `shiftable` false: eights
// must begin at multiples of eight.
template <size_t kStreams>
Alignment align(const Stream (&streams)[kStreams], bool shiftable = true) {
  Alignment best{0, 0};
  size_t best_bytes = 0;
  for (int64_t shift = 0; shift < (shiftable ? 8 : 1); ++shift) {
    Alignment here{shift, 0};
    size_t bytes = 0;
    for (size_t s = 0; s < kStreams; ++s) {
      if (streams[s].memory == nullptr) continue;
      const size_t size = streams[s].element_size;
      const size_t access = 8 * size < 16 ? 8 * size : 16;
      // A whole number of eights ahead, so that nothing is negative.
      const auto first = reinterpret_cast<uintptr_t>(streams[s].memory) + (8 - shift) * size;
      if (first % access != 0) continue;
      here.aligned |= uint32_t{1} << s;
      bytes += size;
    }
    if (bytes > best_bytes) {
      best = here;
      best_bytes = bytes;
    }
  }
  return best;
}

inline int64_t tiles_of(int64_t numel, int64_t shift, int64_t tile) {
  return numel == 0 ? 0 : (numel + shift + tile - 1) / tile;
}

}  // namespace halfword
