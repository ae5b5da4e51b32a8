// The W4A16 kernels for any machine.
#include "cpu/simd_portable.h"
// The vocabulary above is what this is written in.
#include "cpu/gemm_w4a16_strip.h"

namespace halfword {
namespace {

void tile(const W4A16Tile& t) {
  const auto* a = static_cast<const float*>(t.a);
  std::memset(t.sum, 0, static_cast<size_t>(t.rows * kTileColumns) * sizeof(float));
  for (int64_t begin = 0, g = 0; begin < t.k; begin += t.group, ++g) {
    const int64_t end = begin + t.group < t.k ? begin + t.group : t.k;
    int zero[kTileColumns];
    for (int64_t c = 0; c < kTileColumns; ++c) {
      zero[c] = t.zero_point == nullptr ? 8 : t.zero_point[g * kTileColumns + c];
    }
    for (int64_t r = 0; r < t.rows; ++r) {
      float acc[kTileColumns] = {};
      for (int64_t k = begin; k < end; ++k) {
        const float x = a[(k / kStepK * t.rows + r) * kStepK + k % kStepK];
        const int bit = nibble_bit(static_cast<int>(k % kStepK));
        const uint8_t* bytes = t.b + k / kStepK * kTileColumns * 4 + bit / 8;
        for (int64_t c = 0; c < kTileColumns; ++c) {
          acc[c] += x * static_cast<float>((bytes[4 * c] >> bit % 8 & 15) - zero[c]);
        }
      }
      for (int64_t c = 0; c < kTileColumns; ++c) {
        const int64_t i = g * kTileColumns + c;
        float& sum = t.sum[r * kTileColumns + c];
        sum += acc[c] * load_scales(t.scale, t.scale_dtype, i).v;
        if (t.offset == nullptr) continue;
        sum += t.a_sums[g * t.rows + r] * load_scales(t.offset, t.scale_dtype, i).v;
      }
    }
  }
}

}  // namespace

const GemmW4A16Kernels gemm_w4a16_kernels_portable = {4, 1, pack_floats, tile, finish_tile};

}  // namespace halfword
