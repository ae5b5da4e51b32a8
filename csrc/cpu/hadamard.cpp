// Pieces of whole blocks; where blocks are smaller than a pair of vectors the last elements go
// through a scratch.
#include "ops/hadamard.h"

#include <algorithm>
#include <cmath>

#include "core/cpu_isa.h"
#include "cpu/gather.h"
#include "cpu/hadamard_run.h"
#include "cpu/tiles.h"

namespace halfword {
namespace {

constexpr int64_t kPiece = HadamardParams::kMaxBlock;  // a multiple of every block and vector
constexpr int64_t kPair = 2 * kVectorMultiple;
constexpr int64_t kGrain = 8;  // pieces: some 10 us of work, a wake-up takes 2 to 6

HadamardLoop choose_loop(Dtype dtype) {
  static constexpr IsaTable<decltype(&hadamard_loop_portable)> kLoops =
      HALFWORD_ISA_TABLE(hadamard_loop);
  return kLoops.pick()(dtype);
}

}  // namespace

void hadamard_cpu(const HadamardParams& p, ParallelFor parallel) {
  const HadamardLoop loop = choose_loop(p.dtype);
  const size_t size = element_size(p.dtype);
  const float factor = hadamard_factor(p.block);
  const int64_t multiple = std::max(p.block, kPair);
  parallel_for(parallel, (p.count + kPiece - 1) / kPiece, kGrain, [&](int64_t begin, int64_t end) {
    alignas(64) float work[HadamardParams::kMaxBlock];
    const int64_t first = begin * kPiece;
    const int64_t count = std::min(end * kPiece, p.count) - first;
    const int64_t whole = count / multiple * multiple;
    const char* x = advance(p.x, first, size);
    char* out = advance(p.out, first, size);
    loop(x, out, whole, p.block, factor, work);
    if (whole == count) return;
    alignas(64) char rest[kPair * sizeof(float)] = {};
    copy_elements(rest, 1, advance(x, whole, size), 1, count - whole, size);
    loop(rest, rest, kPair, p.block, factor, work);
    copy_elements(advance(out, whole, size), 1, rest, 1, count - whole, size);
  });
}

}  // namespace halfword
