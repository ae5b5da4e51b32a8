// How a kernel spreads work over threads without knowing who owns them.
#pragma once

#include <cstdint>

namespace halfword {

// Calls body(begin, end, context) on disjoint ranges that cover [0, count), on up to
// the caller's number of threads. A range has at least `grain` items, but for the last.
using ParallelFor = void (*)(int64_t count, int64_t grain, void (*body)(int64_t, int64_t, void*),
                             void* context);

template <class Body>
void parallel_for(ParallelFor run, int64_t count, int64_t grain, const Body& body) {
  run(
      count, grain,
      [](int64_t begin, int64_t end, void* context) {
        (*static_cast<const Body*>(context))(begin, end);
      },
      const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace halfword
