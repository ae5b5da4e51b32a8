// Rows of a matrix over threads that need some memory each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/parallel.h"

namespace halfword {

// Calls body(begin, end, floats) for ranges of rows, on the caller's threads where the work is
// worth waking them; floats: as many as asked for, of any content.
template <class Body>
void share_rows(ParallelFor parallel, int64_t rows, int64_t cols, int64_t floats,
                const Body& body) {
  constexpr int64_t kWorthAThread = 1 << 13;  // elements: 5 us and more, a wake-up takes 2 to 6
  if (rows == 0) return;
  const int64_t grain = std::max<int64_t>(1, kWorthAThread / std::max<int64_t>(1, cols));
  parallel_for(parallel, rows, grain, [&](int64_t begin, int64_t end) {
    std::vector<float> memory(static_cast<size_t>(floats));
    body(begin, end, memory.data());
  });
}

}  // namespace halfword
