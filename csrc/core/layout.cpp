#include "core/layout.h"

#include <algorithm>
#include <numeric>

namespace halfword {
namespace {

// Dimensions of more than one element, in the order of falling stride of the first tensor, then of
// the next ones: a dimension over which the first is expanded still gets a place.
std::vector<int64_t> walk_order(const std::vector<int64_t>& sizes,
                                const std::vector<std::vector<int64_t>>& strides) {
  std::vector<int64_t> order;
  for (int64_t d = 0; d < static_cast<int64_t>(sizes.size()); ++d) {
    if (sizes[d] != 1) order.push_back(d);
  }
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    for (const auto& stride : strides) {
      if (stride[a] != stride[b]) return stride[a] > stride[b];
    }
    return false;
  });
  return order;
}

}  // namespace

bool Layout::is_flat() const {
  if (sizes.empty()) return true;
  if (sizes.size() > 1) return false;
  return std::all_of(strides.begin(), strides.end(), [](const auto& s) { return s[0] == 1; });
}

Layout coalesce(const std::vector<int64_t>& sizes, std::vector<std::vector<int64_t>> strides) {
  Layout layout;
  layout.strides.resize(strides.size());
  for (const int64_t d : walk_order(sizes, strides)) {
    bool merges = !layout.sizes.empty();
    for (size_t t = 0; merges && t < strides.size(); ++t) {
      merges = layout.strides[t].back() == strides[t][d] * sizes[d];
    }
    if (merges) {
      layout.sizes.back() *= sizes[d];
    } else {
      layout.sizes.push_back(sizes[d]);
    }
    for (size_t t = 0; t < strides.size(); ++t) {
      if (!merges) layout.strides[t].push_back(0);
      layout.strides[t].back() = strides[t][d];
    }
  }
  return layout;
}

bool may_overlap_itself(const int64_t* sizes, const int64_t* strides, int64_t dimensions) {
  std::vector<int64_t> order;
  for (int64_t d = 0; d < dimensions; ++d) {
    if (sizes[d] == 0) return false;
    if (sizes[d] != 1) order.push_back(d);
  }
  std::sort(order.begin(), order.end(),
            [&](int64_t a, int64_t b) { return strides[a] < strides[b]; });
  int64_t reach = 0;  // the furthest element that the dimensions so far get to
  for (const int64_t d : order) {
    if (strides[d] <= reach) return true;
    reach += (sizes[d] - 1) * strides[d];
  }
  return false;
}

}  // namespace halfword
