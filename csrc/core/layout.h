// How several tensors of one shape, each with strides of its own, are walked together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace halfword {

// The dimensions that are left when those of size 1 are dropped and neighbours that every tensor
// lays out as one are merged. Outermost first; strides in elements.
struct Layout {
  std::vector<int64_t> sizes;
  std::vector<std::vector<int64_t>> strides;  // [tensor][dimension]

  // All tensors are one run of consecutive elements, in the same order.
  bool is_flat() const;
};

// `sizes` has one entry a dimension, `strides` one list a tensor. The first tensor decides the
// order of the walk.
Layout coalesce(const std::vector<int64_t>& sizes, std::vector<std::vector<int64_t>> strides);

// True when two indices of a tensor can reach the same element, or might: a writer must refuse it.
bool may_overlap_itself(const int64_t* sizes, const int64_t* strides, int64_t dimensions);

// Calls body(offsets, length) for rows along the innermost dimension that cover walk positions
// [begin, end); offsets[t] is where tensor t's part of the row starts, in elements.
template <class Body>
void for_each_row(const Layout& layout, int64_t begin, int64_t end, const Body& body) {
  const auto dimensions = static_cast<int64_t>(layout.sizes.size());
  const int64_t inner = dimensions == 0 ? 1 : layout.sizes.back();
  std::vector<int64_t> offsets(layout.strides.size());
  while (begin < end) {
    int64_t rest = begin;
    offsets.assign(offsets.size(), 0);
    for (int64_t d = dimensions - 1; d >= 0; --d) {
      const int64_t index = rest % layout.sizes[d];
      rest /= layout.sizes[d];
      for (std::size_t t = 0; t < offsets.size(); ++t) offsets[t] += index * layout.strides[t][d];
    }
    const int64_t left_in_row = inner - begin % inner;
    const int64_t length = left_in_row < end - begin ? left_in_row : end - begin;
    body(offsets.data(), length);
    begin += length;
  }
}

}  // namespace halfword
