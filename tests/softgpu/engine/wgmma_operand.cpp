#include "engine/wgmma_operand.h"

#include "engine/swizzle.h"

// The layouts, in 16-byte chunks and bytes (PTX ISA, matrix-descriptor and the strides of the
// canonical layouts). With span = bytes of a swizzle's row (16 without swizzle):
//   K-major:  row r, chunk c:      r / 8 * SBO + r % 8 * span + (swizzled ? c * 16 : c * LBO)
//   MN-major: row chunk m, k:      swizzled: m / (span / 16) * LBO + m % (span / 16) * 16
//                                            + k / 8 * SBO + k % 8 * span
//                                  else:     m * SBO + k / 8 * LBO + k % 8 * 16
// from the start address; the swizzle then exchanges address bits.

namespace softgpu {
namespace {

constexpr uint32_t kChunk = 16;

struct Descriptor {
  uint32_t start;
  uint32_t leading;  // LBO
  uint32_t stride;   // SBO
  Swizzle swizzle;
};

Descriptor decode(uint64_t bits, Site at) {
  const auto field = [bits](int shift) {
    return static_cast<uint32_t>(bits >> shift & 0x3fff) << 4;
  };
  if (bits >> 49 & 7) fail(at, "wgmma: a base offset in the descriptor is not supported");
  constexpr Swizzle kModes[] = {Swizzle::kNone, Swizzle::k128, Swizzle::k64, Swizzle::k32};
  return {field(0), field(16), field(32), kModes[bits >> 62]};
}

uint32_t span_of(Swizzle mode) { return kChunk << static_cast<uint32_t>(mode); }

uint32_t k_major(const Descriptor& d, uint32_t row, uint32_t chunk) {
  const uint32_t along = d.swizzle == Swizzle::kNone ? d.leading : kChunk;
  return row / 8 * d.stride + row % 8 * span_of(d.swizzle) + chunk * along;
}

uint32_t mn_major(const Descriptor& d, uint32_t chunk, uint32_t k) {
  if (d.swizzle == Swizzle::kNone) return chunk * d.stride + k / 8 * d.leading + k % 8 * kChunk;
  const uint32_t span = span_of(d.swizzle), chunks = span / kChunk;
  return chunk / chunks * d.leading + chunk % chunks * kChunk + k / 8 * d.stride + k % 8 * span;
}

}  // namespace

std::vector<OperandChunk> chunks_of(const WgmmaOperand& operand, Site at) {
  const Descriptor d = decode(operand.descriptor, at);
  const uint32_t elements = kChunk * 8 / element_bits(operand.element);
  const auto place = [&](uint32_t offset) { return swizzled(d.swizzle, d.start + offset); };
  std::vector<OperandChunk> chunks;
  if (operand.transposed) {
    for (uint32_t k = 0; k < operand.k; ++k) {
      for (uint32_t c = 0; c < operand.rows / elements; ++c) {
        chunks.push_back({place(mn_major(d, c, k)), c * elements, k});
      }
    }
    return chunks;
  }
  for (uint32_t row = 0; row < operand.rows; ++row) {
    for (uint32_t c = 0; c < operand.k / elements; ++c) {
      chunks.push_back({place(k_major(d, row, c)), row, c * elements});
    }
  }
  return chunks;
}

}  // namespace softgpu
