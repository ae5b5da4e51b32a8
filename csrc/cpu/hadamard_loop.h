// The stages of a Hadamard transform, written once for every instruction set, three stages between
// eight vectors at a time, so that a block of 128 elements (AVX-512) never leaves the registers.
// Those within a vector come first; in a format that takes turns (cpu/elements.h) the very first is
// the one between the even and the odd elements of a pair of vectors.
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

// The stages between kCount vectors, from those on that lie `from` apart.
template <int kCount>
HALFWORD_INLINE void butterflies(F32 (&v)[kCount], int from) {
#pragma GCC unroll 3
  for (int h = from; h < kCount; h *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) {
      if ((i & h) == 0) butterfly(v[i], v[i + h]);
    }
  }
}

template <class Element>
constexpr bool kPairsTakeTurns = Element::kTurns && kLanes > 1;

// A pair of vectors, with the stages that are within vectors in the order of memory; of a smaller
// block all.
template <class Element>
HALFWORD_INLINE FloatPair load_transformed(const void* x, int64_t i, int block) {
  FloatPair p = load_pair<Element>(x, i);
  if (kPairsTakeTurns<Element>) {
    if (block > 1) butterfly(p.a, p.b);
    block /= 2;
  }
  return {within_vector(p.a, block), within_vector(p.b, block)};
}

// What an element passes through: read at the first stage, multiplied and written at the last.
template <class Element>
struct Block {
  const void* x;
  void* out;
  int64_t first;  // element of x and out
  int64_t size;   // of the block, or of many that one pass does
  float* work;
  F32 factor;
};

// The stages of kCount vectors that lie `step` vectors apart. The first pass has neighbours, which
// it leaves in the order of memory.
template <class Element, int kCount>
HALFWORD_INLINE void first_pass(const Block<Element>& b, bool is_last) {
  constexpr bool kTurns = kPairsTakeTurns<Element>;
  for (int64_t at = 0; at < b.size; at += kCount * kLanes) {
    F32 v[kCount];
#pragma GCC unroll 4
    for (int k = 0; k < kCount; k += 2) {
      const FloatPair p =
          load_transformed<Element>(b.x, b.first + at + k * kLanes, kTurns ? 2 * kLanes : kLanes);
      v[k] = p.a;
      v[k + 1] = p.b;
    }
    butterflies(v, kTurns ? 2 : 1);
#pragma GCC unroll 4
    for (int k = 0; k < kCount; k += 2) {
      const int64_t i = at + k * kLanes;
      if (is_last) {
        store_pair<Element>(b.out, b.first + i, {v[k] * b.factor, v[k + 1] * b.factor});
      } else {
        const FloatPair p = kTurns ? in_order(v[k], v[k + 1]) : FloatPair{v[k], v[k + 1]};
        store_floats(b.work + i, p.a);
        store_floats(b.work + i + kLanes, p.b);
      }
    }
  }
}
template <class Element, int kCount>
HALFWORD_INLINE void later_pass(const Block<Element>& b, int64_t step, bool is_last) {
  const int64_t vectors = b.size / kLanes;
  for (int64_t base = 0; base < vectors; base += kCount * step) {
    for (int64_t i = base; i < base + step; ++i) {
      const auto at = [&](int k) { return (i + k * step) * kLanes; };
      F32 v[kCount];
#pragma GCC unroll 8
      for (int k = 0; k < kCount; ++k) v[k] = load_floats(b.work + at(k));
      butterflies(v, 1);
#pragma GCC unroll 8
      for (int k = 0; k < kCount; ++k) {
        if (is_last) {
          Element::store(b.out, b.first + at(k), v[k] * b.factor);
        } else {
          store_floats(b.work + at(k), v[k]);
        }
      }
    }
  }
}

template <class Element, int kCount>
HALFWORD_INLINE void pass(const Block<Element>& b, int64_t step, bool is_last) {
  step == 1 ? first_pass<Element, kCount>(b, is_last)
            : later_pass<Element, kCount>(b, step, is_last);
}
template <class Element>
HALFWORD_INLINE void pass(const Block<Element>& b, int64_t count, int64_t step, bool is_last) {
  switch (count) {
    case 2: return pass<Element, 2>(b, step, is_last);
    case 4: return pass<Element, 4>(b, step, is_last);
    case 8: return pass<Element, 8>(b, step, is_last);
    default: return;
  }
}

template <class Element>
void hadamard_loop(const void* x, void* out, int64_t count, int64_t block, float factor,
                   float* work) {
  if (block < 2 * kLanes) {  // one or several in a pair of vectors
    for (int64_t i = 0; i < count; i += 2 * kLanes) {
      const FloatPair p = load_transformed<Element>(x, i, static_cast<int>(block));
      store_pair<Element>(out, i, {p.a * F32(factor), p.b * F32(factor)});
    }
    return;
  }
  const int64_t vectors = block / kLanes;
  if (vectors <= kRadix) {  // all blocks in one pass
    return pass(Block<Element>{x, out, 0, count, work, F32(factor)}, vectors, 1, true);
  }
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
