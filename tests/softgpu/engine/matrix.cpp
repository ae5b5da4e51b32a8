#include "engine/matrix.h"

#include <cstring>

#include "engine/memory.h"
#include "engine/thread.h"

// Lane 8 * j + r gives the address of row r of matrix j. Lane l holds, of each matrix, elements
// 2 * (l % 4) and the next of row l / 4; transposed, of column l / 4.

namespace softgpu {
namespace {

constexpr uint32_t kRowBytes = 16;
constexpr int kSide = 8;

using Matrix = uint16_t[kSide][kSide];

struct LoadArguments {
  uint32_t* registers;
  int count;
  bool transposed;
  uint32_t address;
};

struct StoreArguments {
  const uint32_t* registers;
  int count;
  bool transposed;
  uint32_t address;
};

uint32_t fragment(const Matrix& matrix, uint32_t lane, bool transposed) {
  const uint32_t line = lane / 4, place = lane % 4 * 2;
  const uint16_t low = transposed ? matrix[place][line] : matrix[line][place];
  const uint16_t high = transposed ? matrix[place + 1][line] : matrix[line][place + 1];
  return uint32_t{high} << 16 | low;
}

void set_fragment(Matrix& matrix, uint32_t lane, bool transposed, uint32_t value) {
  const uint32_t line = lane / 4, place = lane % 4 * 2;
  (transposed ? matrix[place][line] : matrix[line][place]) = static_cast<uint16_t>(value);
  (transposed ? matrix[place + 1][line] : matrix[line][place + 1]) =
      static_cast<uint16_t>(value >> 16);
}

char* row(Warp& warp, uint32_t lane, uint32_t address, Use use, Site at) {
  return reach(*warp.lane[lane], {Space::kShared}, address, kRowBytes, kRowBytes, use, at);
}

void load_all(Warp& warp, uint32_t, void* const* arguments, Site at) {
  const auto of = [&](uint32_t l) -> LoadArguments& {
    return *static_cast<LoadArguments*>(arguments[l]);
  };
  Matrix matrix[4];
  const uint32_t rows = static_cast<uint32_t>(of(0).count * kSide);
  for (uint32_t l = 0; l < rows; ++l) {
    std::memcpy(matrix[l / kSide][l % kSide], row(warp, l, of(l).address, Use::kRead, at),
                kRowBytes);
  }
  for (uint32_t l = 0; l < kWarp; ++l) {
    for (int j = 0; j < of(l).count; ++j) {
      of(l).registers[j] = fragment(matrix[j], l, of(l).transposed);
    }
  }
}

void store_all(Warp& warp, uint32_t, void* const* arguments, Site at) {
  const auto of = [&](uint32_t l) -> StoreArguments& {
    return *static_cast<StoreArguments*>(arguments[l]);
  };
  Matrix matrix[4];
  for (uint32_t l = 0; l < kWarp; ++l) {
    for (int j = 0; j < of(l).count; ++j) {
      set_fragment(matrix[j], l, of(l).transposed, of(l).registers[j]);
    }
  }
  const uint32_t rows = static_cast<uint32_t>(of(0).count * kSide);
  for (uint32_t l = 0; l < rows; ++l) {
    std::memcpy(row(warp, l, of(l).address, Use::kWrite, at), matrix[l / kSide][l % kSide],
                kRowBytes);
  }
}

void transpose_all(Warp&, uint32_t, void* const* arguments, Site) {
  Matrix matrix;
  for (uint32_t l = 0; l < kWarp; ++l) {
    set_fragment(matrix, l, false, *static_cast<uint32_t*>(arguments[l]));
  }
  for (uint32_t l = 0; l < kWarp; ++l) {
    *static_cast<uint32_t*>(arguments[l]) = fragment(matrix, l, true);
  }
}

}  // namespace

void ldmatrix(Thread& self, uint32_t* registers, int count, bool transposed, uint32_t address,
              Site at) {
  LoadArguments arguments{registers, count, transposed, address};
  meet_in_warp(self, kFullMask, "ldmatrix.sync.aligned", load_all, &arguments, at);
}

void stmatrix(Thread& self, const uint32_t* registers, int count, bool transposed, uint32_t address,
              Site at) {
  StoreArguments arguments{registers, count, transposed, address};
  meet_in_warp(self, kFullMask, "stmatrix.sync.aligned", store_all, &arguments, at);
}

uint32_t movmatrix(Thread& self, uint32_t source, Site at) {
  uint32_t value = source;
  meet_in_warp(self, kFullMask, "movmatrix.sync.aligned", transpose_all, &value, at);
  return value;
}

}  // namespace softgpu
