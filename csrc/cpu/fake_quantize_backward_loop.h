// The gradient loops, written once for every instruction set and type.
// Include after one of the simd_*.h headers.
#pragma once

#include "core/fake_quantize_math.h"
#include "cpu/elements.h"
#include "cpu/fake_quantize_backward_run.h"
#include "cpu/random_bits.h"

namespace halfword {
namespace {

// Elements are taken as many at a time as a piece has lanes.
constexpr int64_t kChunk = FakeQuantizeBackwardParams::kLanes;
constexpr int64_t kVectors = kChunk / kLanes;
constexpr int64_t kPiece = FakeQuantizeBackwardParams::kPiece;

// The random bits of consecutive elements. A vector of calls begins at a multiple of its length, so
// that its numbers have one high word.
struct RandomRun {
  static constexpr int64_t kCalls = 8 * kElementsPerPhilox;  // elements of the widest vector
  alignas(64) uint16_t bits[kPiece + 2 * kCalls + kChunk];

  HALFWORD_INLINE const uint16_t* fill(const RandomStream* stream, int64_t element, int64_t count) {
    if (stream == nullptr) return nullptr;
    const int64_t before = element % kCalls;
    fill_random(*stream, element - before, before + count, bits);
    return bits + before;
  }
};

struct VectorScale {
  F32 scale;
  F32 inv;
  F32 zero_point;
};

// Up to kChunk consecutive elements of d_out and x, and where d_x goes; if they are fewer, through
// copies with zeros behind, whose gradients are zero.
template <class Element>
struct Chunk {
  using Word = typename Element::Word;
  const Word* d_out;
  const Word* x;
  Word* d_x;
  Word padded[3][kChunk];

  HALFWORD_INLINE Chunk(const void* d_out_row, const void* x_row, void* d_x_row, int64_t i,
                        int64_t count)
      : d_out(static_cast<const Word*>(d_out_row) + i),
        x(static_cast<const Word*>(x_row) + i),
        d_x(static_cast<Word*>(d_x_row) + i) {
    if (count >= kChunk) return;
    for (int64_t e = 0; e < kChunk; ++e) {
      padded[0][e] = e < count ? d_out[e] : Word{0};
      padded[1][e] = e < count ? x[e] : Word{0};
    }
    d_out = padded[0];
    x = padded[1];
    d_x = padded[2];
  }
  HALFWORD_INLINE void finish(void* d_x_row, int64_t i, int64_t count) const {
    if (count >= kChunk) return;
    for (int64_t e = 0; e < count; ++e) static_cast<Word*>(d_x_row)[i + e] = padded[2][e];
  }
};

// Of elements e ... e + kLanes of a chunk; d_x is stored.
template <class Element>
HALFWORD_INLINE FakeGradient<F32> chunk_gradient(const BackwardRule& rule, Chunk<Element>& chunk,
                                                 int64_t e, F32 d_out, const VectorScale& s,
                                                 const uint16_t* random) {
  const F32 x = Element::load(chunk.x, e);
  F32 code;
  if (random == nullptr) {
    code = linear_code(x, s.inv, s.zero_point, rule.range);
  } else {
    const U32 bits = widen(load_halves(random + e));
    code = linear_code_stochastic(x, s.inv, s.zero_point, rule.range, bits);
  }
  const auto gradient =
      linear_gradient(d_out, x, code, s.scale, s.inv, s.zero_point, rule.range, random != nullptr);
  Element::store(chunk.d_x, e, gradient.d_x);
  return gradient;
}

// Adds (i, i + 16), (i, i + 8), ... of the lanes.
HALFWORD_INLINE float add_lanes(F32 (&sums)[kVectors]) {
  for (int64_t half = kVectors / 2; half > 0; half /= 2) {
    for (int64_t v = 0; v < half; ++v) sums[v] = sums[v] + sums[v + half];
  }
  float lanes[kLanes];
  store_floats(lanes, sums[0]);
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  }
  return lanes[0];
}

template <class Element>
HALFWORD_INLINE BackwardSums linear_piece(const BackwardRule& rule, const BackwardPiece& piece) {
  RandomRun random_run;
  const uint16_t* random = random_run.fill(rule.random, piece.element, piece.count);
  const VectorScale s{F32(piece.scale.scale), F32(piece.scale.inv), F32(piece.scale.zero_point)};
  F32 scale_sums[kVectors], zero_point_sums[kVectors];
  for (int64_t v = 0; v < kVectors; ++v) scale_sums[v] = zero_point_sums[v] = F32(0.0f);
  for (int64_t i = 0; i < piece.count; i += kChunk) {
    Chunk<Element> chunk(piece.d_out, piece.x, piece.d_x, i, piece.count - i);
#pragma GCC unroll 4
    for (int64_t v = 0; v < kVectors; ++v) {
      const int64_t e = v * kLanes;
      const F32 d_out = Element::load(chunk.d_out, e);
      const auto gradient =
          chunk_gradient(rule, chunk, e, d_out, s, random == nullptr ? nullptr : random + i);
      scale_sums[v] = fma(d_out, gradient.scale_factor, scale_sums[v]);
      zero_point_sums[v] = fma(d_out, gradient.zero_point_factor, zero_point_sums[v]);
    }
    chunk.finish(piece.d_x, i, piece.count - i);
  }
  return {add_lanes(scale_sums), add_lanes(zero_point_sums)};
}

template <class Element>
HALFWORD_INLINE void log2_piece(const BackwardPiece& piece) {
  for (int64_t i = 0; i < piece.count; i += kChunk) {
    Chunk<Element> chunk(piece.d_out, piece.x, piece.d_x, i, piece.count - i);
    for (int64_t e = 0; e < kChunk; e += kLanes) {
      const F32 d_out = Element::load(chunk.d_out, e);
      const F32 x = Element::load(chunk.x, e);
      Element::store(chunk.d_x, e, log2_gradient(d_out, x, F32(piece.scale.inv)));
    }
    chunk.finish(piece.d_x, i, piece.count - i);
  }
}

template <class Element>
BackwardSums piece_loop(const BackwardRule& rule, const BackwardPiece& piece) {
  if (rule.mapping != Mapping::kLog2) return linear_piece<Element>(rule, piece);
  log2_piece<Element>(piece);
  return {0.0f, 0.0f};
}

// The scales of a strip's columns, and the sums of their lanes.
struct StripState {
  alignas(64) float scale[BackwardStrip::kColumns];
  alignas(64) float inv[BackwardStrip::kColumns];
  alignas(64) float zero_point[BackwardStrip::kColumns];
  alignas(64) double scale_lanes[kChunk][BackwardStrip::kColumns];
  alignas(64) double zero_point_lanes[kChunk][BackwardStrip::kColumns];

  HALFWORD_INLINE explicit StripState(const BackwardStrip& strip) {
    for (int64_t c = 0; c < BackwardStrip::kColumns; ++c) {
      const bool there = c < strip.cols;
      const bool shifted = there && strip.zero_point != nullptr;
      const BlockScale block = given_scale(
          there ? strip.scale[c] : 0.0f, shifted ? static_cast<float>(strip.zero_point[c]) : 0.0f);
      scale[c] = block.scale;
      inv[c] = block.inv;
      zero_point[c] = block.zero_point;
      for (int64_t l = 0; l < kChunk; ++l) scale_lanes[l][c] = zero_point_lanes[l][c] = 0.0;
    }
  }
  HALFWORD_INLINE VectorScale at(int64_t c) const {
    return {load_floats(scale + c), load_floats(inv + c), load_floats(zero_point + c)};
  }
};

HALFWORD_INLINE void add_products(F32 d_out, F32 factor, double* lanes) {
  float products[kLanes];
  store_floats(products, d_out * factor);
  for (int64_t l = 0; l < kLanes; ++l) lanes[l] += static_cast<double>(products[l]);
}

HALFWORD_INLINE void add_strip_lanes(double (&lanes)[kChunk][BackwardStrip::kColumns], int64_t cols,
                                     float* sums) {
  if (sums == nullptr) return;
  for (int64_t half = kChunk / 2; half > 0; half /= 2) {
    for (int64_t l = 0; l < half; ++l) {
      for (int64_t c = 0; c < cols; ++c) lanes[l][c] += lanes[l + half][c];
    }
  }
  for (int64_t c = 0; c < cols; ++c) sums[c] = static_cast<float>(lanes[0][c]);
}

// A column's piece is one element: the sum of its lanes is the product.
template <class Element>
void strip_loop(const BackwardRule& rule, const BackwardStrip& strip) {
  using Word = typename Element::Word;
  StripState state(strip);
  RandomRun random_run;
  for (int64_t r = 0; r < strip.rows; ++r) {
    const auto* d_out_row = static_cast<const Word*>(strip.d_out) + r * strip.stride;
    const auto* x_row = static_cast<const Word*>(strip.x) + r * strip.stride;
    auto* d_x_row = static_cast<Word*>(strip.d_x) + r * strip.stride;
    const uint16_t* random =
        random_run.fill(rule.random, strip.element + r * strip.stride, strip.cols);
    for (int64_t c = 0; c < strip.cols; c += kChunk) {
      Chunk<Element> chunk(d_out_row, x_row, d_x_row, c, strip.cols - c);
      for (int64_t e = 0; e < kChunk; e += kLanes) {
        const F32 d_out = Element::load(chunk.d_out, e);
        const VectorScale s = state.at(c + e);
        if (rule.mapping == Mapping::kLog2) {
          const F32 x = Element::load(chunk.x, e);
          Element::store(chunk.d_x, e, log2_gradient(d_out, x, s.inv));
          continue;
        }
        const auto gradient =
            chunk_gradient(rule, chunk, e, d_out, s, random == nullptr ? nullptr : random + c);
        const int64_t lane = r % kChunk;
        if (strip.d_scale != nullptr) {
          add_products(d_out, gradient.scale_factor, &state.scale_lanes[lane][c + e]);
        }
        if (strip.d_zero_point != nullptr) {
          add_products(d_out, gradient.zero_point_factor, &state.zero_point_lanes[lane][c + e]);
        }
      }
      chunk.finish(d_x_row, c, strip.cols - c);
    }
  }
  add_strip_lanes(state.scale_lanes, strip.cols, strip.d_scale);
  add_strip_lanes(state.zero_point_lanes, strip.cols, strip.d_zero_point);
}

HALFWORD_INLINE BackwardLoops select_backward_loops(Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat32: return {piece_loop<Float32>, strip_loop<Float32>};
    case Dtype::kBFloat16: return {piece_loop<BFloat16>, strip_loop<BFloat16>};
    case Dtype::kFloat16: return {piece_loop<Float16>, strip_loop<Float16>};
  }
  return {};
}

}  // namespace
}  // namespace halfword
