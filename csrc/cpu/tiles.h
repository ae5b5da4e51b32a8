// A list of tensors as one sequence of tiles, so that threads share a list of any mix of sizes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/parallel.h"

namespace halfword {

// Loops take counts that are multiples of this, the widest vector; a launcher pads the rest.
constexpr int64_t kVectorMultiple = 16;

constexpr int64_t round_up_to_vectors(int64_t count) {
  return (count + kVectorMultiple - 1) / kVectorMultiple * kVectorMultiple;
}

// Tile k of the list covers elements [begin, end) of tensor `tensor`.
struct Tile {
  int64_t tensor;
  int64_t begin;
  int64_t end;
};

class TileList {
 public:
  // Item i of a list of `count` has numel_of(i) elements.
  template <class NumelOf>
  TileList(int64_t count, int64_t tile_size, const NumelOf& numel_of) : tile_size_(tile_size) {
    ends_.reserve(count);
    numels_.reserve(count);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t numel = numel_of(i);
      elements_ += numel;
      tiles_ += (numel + tile_size - 1) / tile_size;
      ends_.push_back(tiles_);
      numels_.push_back(numel);
    }
  }

  int64_t tiles() const { return tiles_; }
  int64_t elements() const { return elements_; }

  // Calls body(tile number, Tile) for tiles [first, last), in order.
  template <class Body>
  void for_each(int64_t first, int64_t last, const Body& body) const {
    auto tensor = std::upper_bound(ends_.begin(), ends_.end(), first) - ends_.begin();
    for (int64_t k = first; k < last; ++k) {
      while (ends_[tensor] <= k) ++tensor;
      const int64_t start = tensor == 0 ? 0 : ends_[tensor - 1];
      const int64_t begin = (k - start) * tile_size_;
      body(k, Tile{tensor, begin, std::min(begin + tile_size_, numels_[tensor])});
    }
  }

  // The same over all tiles, on the caller's threads where the work is worth waking them.
  template <class Body>
  void parallel_for_each(ParallelFor parallel, const Body& body) const {
    constexpr int64_t kWorthAThread =
        1 << 15;  // elements: some 10 us of work, a wake-up takes 2 to 6
    const int64_t elements_a_tile = std::max<int64_t>(1, elements_ / std::max<int64_t>(1, tiles_));
    const int64_t grain = std::max<int64_t>(1, kWorthAThread / elements_a_tile);
    parallel_for(parallel, tiles_, grain,
                 [&](int64_t first, int64_t last) { for_each(first, last, body); });
  }

 private:
  int64_t tile_size_;
  int64_t tiles_ = 0;
  int64_t elements_ = 0;
  std::vector<int64_t> ends_;  // tiles up to and including tensor i
  std::vector<int64_t> numels_;
};

}  // namespace halfword
