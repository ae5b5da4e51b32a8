// A list of tensors as a CUDA kernel reads it: words that are uploaded to the device when they
// change. A kernel is launched on a grid of fixed size over the tiles of a group, so that a list of
// any length and any mix of sizes takes one launch a group.
//
// clang-format off
//   words[0]    a counter that kernels may use, and leave 0
//   layouts     of tensors that are not dense: dimensions, sizes, then the strides of each tensor
//   rows        one struct an item of the list, as the op defines it
//   tile ends   one word an item: tiles of its group up to and including it
//   gradients   one pointer a row, by itself because from step to step nothing else changes
// clang-format on
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "core/layout.h"

namespace halfword {

struct TensorTable {
  // Items that one kernel takes.
  struct Group {
    int32_t kernel;  // which, as the op numbers them
    int64_t first;   // row
    int64_t count;   // rows
    int64_t tiles;
    int64_t ends;  // word of the first tile end
  };

  std::vector<uint64_t> words = {0};
  std::vector<Group> groups;
  int64_t rows = 0;   // word of the first row
  int64_t grads = 0;  // word of the first gradient

  // As new, but for the memory that it has: a table is made at every call, and to get its pages
  // from the system again would take longer than to fill them.
  void clear() {
    words.assign(1, 0);
    groups.clear();
  }

  // Appends structs of whole words; returns the word where they begin.
  template <class T>
  int64_t append(const T* items, size_t count) {
    static_assert(sizeof(T) % sizeof(uint64_t) == 0);
    const size_t begin = words.size();
    if (count == 0) return static_cast<int64_t>(begin);
    words.resize(begin + count * sizeof(T) / sizeof(uint64_t));
    std::memcpy(&words[begin], items, count * sizeof(T));
    return static_cast<int64_t>(begin);
  }

  // Returns the word where the layout begins; 0 for a tensor that is dense.
  int64_t append(const Layout* layout) {
    if (layout == nullptr) return 0;
    const auto dimensions = static_cast<uint64_t>(layout->sizes.size());
    const int64_t begin = append(&dimensions, 1);
    append(layout->sizes.data(), layout->sizes.size());
    for (const auto& strides : layout->strides) append(strides.data(), strides.size());
    return begin;
  }

  // Appends a group of the rows [first, first + tiles.size()) with so many tiles each.
  void append_group(int32_t kernel, int64_t first, const std::vector<int64_t>& tiles) {
    Group group{kernel, first, static_cast<int64_t>(tiles.size()), 0,
                static_cast<int64_t>(words.size())};
    for (const int64_t n : tiles) words.push_back(static_cast<uint64_t>(group.tiles += n));
    if (group.tiles > 0) groups.push_back(group);
  }
};

}  // namespace halfword
