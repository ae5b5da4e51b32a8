// The stages of a Hadamard transform, written once for every instruction set: those within a vector
// first, then those between vectors, eight vectors and three stages at a time, so that a block of
// 128 elements (AVX-512) never leaves the registers.
// Include after one of the simd_*.h headers.
#pragma once

#include "cpu/butterflies.h"
#include "cpu/elements.h"
#include "cpu/hadamard_run.h"

namespace halfword {
namespace {

constexpr int64_t kRadix = 8;  // vectors that fit the registers of AVX2 beside what they need

HALFWORD_INLINE void butterfly(F32& a, F32& b) {
  const F32 sum = a + b;
  b = a - b;
  a = sum;
}

// The stages between kCount vectors, from neighbours on.
template <int kCount>
HALFWORD_INLINE void butterflies(F32 (&v)[kCount]) {
#pragma GCC unroll 3
  for (int h = 1; h < kCount; h *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) {
      if ((i & h) == 0) butterfly(v[i], v[i + h]);
    }
  }
}

// What an element passes through: read at the first stage, multiplied and written at the last.
template <class Element>
struct Block {
  const void* x;
  void* out;
  int64_t first;  // element of x and out
  int64_t size;
  float* work;
  F32 factor;
};

// The stages from kLanes * step on, of kCount vectors that lie `step` vectors apart.
template <class Element, int kCount>
HALFWORD_INLINE void pass(const Block<Element>& b, int64_t step, bool is_first, bool is_last) {
  const int64_t vectors = b.size / kLanes;
  for (int64_t base = 0; base < vectors; base += kCount * step) {
    for (int64_t i = base; i < base + step; ++i) {
      F32 v[kCount];
#pragma GCC unroll 8
      for (int k = 0; k < kCount; ++k) {
        const int64_t at = (i + k * step) * kLanes;
        v[k] = is_first ? within_vector(Element::load(b.x, b.first + at), kLanes)
                        : load_floats(b.work + at);
      }
      butterflies(v);
#pragma GCC unroll 8
      for (int k = 0; k < kCount; ++k) {
        const int64_t at = (i + k * step) * kLanes;
        if (is_last) {
          Element::store(b.out, b.first + at, v[k] * b.factor);
        } else {
          store_floats(b.work + at, v[k]);
        }
      }
    }
  }
}

template <class Element>
HALFWORD_INLINE void pass(const Block<Element>& b, int64_t count, int64_t step, bool is_last) {
  const bool is_first = step == 1;
  switch (count) {
    case 1: return pass<Element, 1>(b, step, is_first, is_last);
    case 2: return pass<Element, 2>(b, step, is_first, is_last);
    case 4: return pass<Element, 4>(b, step, is_first, is_last);
    case 8: return pass<Element, 8>(b, step, is_first, is_last);
    default: return;
  }
}

template <class Element>
void hadamard_loop(const void* x, void* out, int64_t count, int64_t block, float factor,
                   float* work) {
  if (block < kLanes) {  // several blocks in a vector
    for (int64_t i = 0; i < count; i += kLanes) {
      const F32 v = within_vector(Element::load(x, i), static_cast<int>(block));
      Element::store(out, i, v * F32(factor));
    }
    return;
  }
  const int64_t vectors = block / kLanes;
  for (int64_t first = 0; first < count; first += block) {
    const Block<Element> b{x, out, first, block, work, F32(factor)};
    int64_t step = 1;
    for (; vectors / step > kRadix; step *= kRadix) pass(b, kRadix, step, false);
    pass(b, vectors / step, step, true);
  }
}

HALFWORD_INLINE HadamardLoop select_hadamard_loop(Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat32: return hadamard_loop<Float32>;
    case Dtype::kBFloat16: return hadamard_loop<BFloat16>;
    case Dtype::kFloat16: return hadamard_loop<Float16>;
  }
  return nullptr;
}

}  // namespace
}  // namespace halfword
