#include "engine/mma.h"

#include <cstring>

#include "engine/products.h"
#include "engine/thread.h"

// Fragments, for lane = 4 * group + place. A word is 32 bits of a row of A or of a column of B (64
// for f64). With 16 rows, register r of A holds word place + 4 * (r / 2) of row group + 8 * (r %
// 2); with 8 rows, word place + 4 * r of row group. Register r of B holds word place + 4 * r of
// column group. C holds columns 2 * place and 2 * place + 1 of row group, then of row group + 8.

namespace softgpu {
namespace {

constexpr int kMaxRows = 16;
constexpr int kColumns = 8;
constexpr int kMaxDepth = 64;

struct Arguments {
  const MmaForm* form;
  void* d;
  const void* a;
  const void* b;
  const void* c;
};

const Arguments& of(void* const* arguments, uint32_t lane) {
  return *static_cast<const Arguments*>(arguments[lane]);
}

struct Shape {
  uint32_t word;   // bytes
  uint32_t words;  // of k
  uint32_t row_bytes() const { return word * words; }
};

Shape shape_of(const MmaForm& form) {
  const uint32_t word = form.a == Element::kF64 ? 8 : 4;
  return {word, form.k * element_bits(form.a) / (8 * word)};
}

void copy_word(char* to, const void* from, uint32_t index, uint32_t bytes) {
  std::memcpy(to, static_cast<const char*>(from) + index * bytes, bytes);
}

// The packed rows of A and columns of B, from the registers of all lanes.
void gather(const MmaForm& form, void* const* arguments, char* a, char* b) {
  const Shape shape = shape_of(form);
  const uint32_t halves = form.m / 8;
  for (uint32_t lane = 0; lane < kWarp; ++lane) {
    const uint32_t group = lane / 4, place = lane % 4;
    for (uint32_t i = 0; i < shape.words / 4; ++i) {
      const uint32_t at = (place + 4 * i) * shape.word;
      for (uint32_t h = 0; h < halves; ++h) {
        copy_word(a + (group + 8 * h) * shape.row_bytes() + at, of(arguments, lane).a,
                  i * halves + h, shape.word);
      }
      copy_word(b + group * shape.row_bytes() + at, of(arguments, lane).b, i, shape.word);
    }
  }
}

template <class F>
void for_each_accumulator(const MmaForm& form, F f) {
  for (uint32_t lane = 0; lane < kWarp; ++lane) {
    for (uint32_t i = 0; i < form.m / 8u * 2; ++i) {
      f(lane, i, (lane / 4 + i / 2 * 8) * kColumns + lane % 4 * 2 + i % 2);
    }
  }
}

// T as computed with, R as held in registers.
template <class R, class T, class Read>
void load_c(const MmaForm& form, void* const* arguments, T* d, Read read) {
  for_each_accumulator(form, [&](uint32_t lane, uint32_t i, uint32_t at) {
    R bits;
    std::memcpy(&bits, static_cast<const R*>(of(arguments, lane).c) + i, sizeof bits);
    d[at] = read(bits);
  });
}

template <class R, class T, class Write>
void store_d(const MmaForm& form, void* const* arguments, const T* d, Write write) {
  for_each_accumulator(form, [&](uint32_t lane, uint32_t i, uint32_t at) {
    const R bits = write(d[at]);
    std::memcpy(static_cast<R*>(of(arguments, lane).d) + i, &bits, sizeof bits);
  });
}

template <class T>
void widen_all(const MmaForm& form, const char* a, const char* b, T* wide_a, T* wide_b) {
  widen(form.a, a, form.m * form.k, wide_a);
  widen(form.b, b, kColumns * form.k, wide_b);
}

void multiply_integers(const MmaForm& form, const char* a, const char* b, void* const* arguments) {
  alignas(64) int16_t wide_a[kMaxRows * kMaxDepth], wide_b[kColumns * kMaxDepth];
  int32_t d[kMaxRows * kColumns];
  const auto same = [](int32_t value) { return value; };
  widen_all(form, a, b, wide_a, wide_b);
  load_c<int32_t>(form, arguments, d, same);
  multiply_add(wide_a, wide_b, form.m, kColumns, form.k, form.saturate, d, kColumns);
  store_d<int32_t>(form, arguments, d, same);
}

template <class T>
void multiply_floats(const MmaForm& form, const char* a, const char* b, void* const* arguments) {
  T wide_a[kMaxRows * kMaxDepth], wide_b[kColumns * kMaxDepth], b_by_k[kColumns * kMaxDepth];
  T d[kMaxRows * kColumns];
  const auto same = [](T value) { return value; };
  widen_all(form, a, b, wide_a, wide_b);
  for (int j = 0; j < kColumns; ++j) {
    for (int k = 0; k < form.k; ++k) b_by_k[k * kColumns + j] = wide_b[j * form.k + k];
  }
  const bool half = form.c == Element::kF16;
  if (half) {
    load_c<uint16_t>(form, arguments, d, float_from_f16);
  } else {
    load_c<T>(form, arguments, d, same);
  }
  multiply_add(wide_a, b_by_k, form.m, kColumns, form.k, d, kColumns);
  if (half) {
    store_d<uint16_t>(form, arguments, d, [](T v) { return f16_from_float(float(v)); });
  } else {
    store_d<T>(form, arguments, d, same);
  }
}

void multiply(Warp&, uint32_t, void* const* arguments, Site at) {
  const MmaForm& form = *of(arguments, 0).form;
  const Shape shape = shape_of(form);
  const bool known = (form.m == 8 || form.m == 16) && form.n == kColumns && form.k <= kMaxDepth &&
                     shape.words % 4 == 0 && shape.words != 0;
  if (!known) fail(at, "mma.m%un%uk%u: not supported", form.m, form.n, form.k);
  alignas(64) char a[kMaxRows * kMaxDepth * 8], b[kColumns * kMaxDepth * 8];
  gather(form, arguments, a, b);
  if (form.a == Element::kF64) {
    multiply_floats<double>(form, a, b, arguments);
  } else if (is_integer(form.a)) {
    multiply_integers(form, a, b, arguments);
  } else {
    multiply_floats<float>(form, a, b, arguments);
  }
}

}  // namespace

void mma(Thread& self, const MmaForm& form, void* d, const void* a, const void* b, const void* c,
         Site at) {
  Arguments arguments{&form, d, a, b, c};
  meet_in_warp(self, kFullMask, "mma.sync.aligned", multiply, &arguments, at);
}

}  // namespace softgpu
