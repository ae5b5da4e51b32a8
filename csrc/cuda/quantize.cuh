// What the quantizers share: eight consecutive elements of a matrix at a time, their extremes, and
// their codes.
//
// A thread takes kHeld packs of eight elements, all of their loads before the first use. Eight are
// the elements of a Philox call, 16 bytes of a 16-bit type, and a store of 8 bytes of codes. Where
// fewer exist, or memory is not aligned for packs, elements are accessed one by one.
#pragma once

#include "core/quantize_math.h"
#include "cuda/elements.cuh"
#include "cuda/launch.cuh"

namespace halfword {

constexpr int kEight = kElementsPerPhilox;
constexpr int kHeld = 4;

__device__ __forceinline__ int clamp_count(int64_t elements) {
  return static_cast<int>(max(min(elements, int64_t{kEight}), int64_t{0}));
}

// Where the kHeld packs of a thread lie, at equal steps: the first element of each in x, and its
// number row * cols + col, which is its place in the codes too.
struct Places {
  int64_t x;
  int64_t number;
  int64_t x_step;
  int64_t number_step;
  uint32_t counts;  // how many elements of each exist, up to eight: four bits a pack

  __device__ __forceinline__ int64_t x_of(int j) const { return x + j * x_step; }
  __device__ __forceinline__ int64_t number_of(int j) const { return number + j * number_step; }
  __device__ __forceinline__ int count(int j) const {
    return static_cast<int>(counts >> (4 * j) & 15);
  }
};

// One below the other, in a matrix of this pitch, from an element on; up to a row and a column.
__device__ __forceinline__ Places places_down(int64_t row, int64_t col, int64_t end_row,
                                              int64_t end_col, int64_t row_step, int64_t row_stride,
                                              int64_t cols) {
  const uint32_t count = clamp_count(end_col - col);
  uint32_t counts = 0;
#pragma unroll
  for (int j = 0; j < kHeld; ++j) {
    if (row + j * row_step < end_row) counts |= count << (4 * j);
  }
  return {row * row_stride + col, row * cols + col, row_step * row_stride, row_step * cols, counts};
}

struct MatrixView {
  const void* x;
  int64_t row_stride;
  Dtype dtype;
  bool aligned;  // for packs
};

inline bool is_multiple(const void* memory, size_t bytes) {
  return reinterpret_cast<uintptr_t>(memory) % bytes == 0;
}

// Packs begin at the first column of a block and at every eighth from there on.
inline bool packs_fit(const Blocks& b) {
  return b.block_cols >= b.cols || b.block_cols % kEight == 0;
}
inline MatrixView view_matrix(const void* x, int64_t row_stride, Dtype dtype, const Blocks& b) {
  const bool pitched = b.rows <= 1 || row_stride * element_size(dtype) % 16 == 0;
  return {x, row_stride, dtype, pitched && packs_fit(b) && is_multiple(x, 16)};
}
inline bool codes_aligned(const int8_t* codes, const Blocks& b) {
  return is_multiple(codes, kEight) && packs_fit(b) && (b.rows <= 1 || b.cols % kEight == 0);
}

template <class Word>
__device__ __forceinline__ Pack<Word, kEight> load_some(const void* from, int64_t first, int count,
                                                        bool aligned) {
  if (aligned && count == kEight) return load_words<kEight, Word>(from, first);
  Pack<Word, kEight> pack;
#pragma unroll
  for (int e = 0; e < kEight; ++e) {
    pack.append(e, e < count ? in_global<const Word>(from)[first + e] : Word{0});
  }
  return pack;
}

template <class Word, int kCount>
__device__ __forceinline__ void store_some(void* to, int64_t first, int count, bool aligned,
                                           const Pack<Word, kCount>& pack) {
  if (aligned && count >= kCount) return store_words(to, first, pack);
#pragma unroll
  for (int e = 0; e < kCount; ++e) {
    if (e < count) in_global<Word>(to)[first + e] = pack.get(e);
  }
}

// The packs of a thread, as words of memory until they are used: those of 16 bits take half the
// registers. Elements that do not exist are 0, which changes no extremes.
template <class Word>
struct Eights {
  Pack<Word, kEight> pack[kHeld];

  __device__ __forceinline__ void load(const MatrixView& m, const Places& at) {
#pragma unroll
    for (int j = 0; j < kHeld; ++j) {
      pack[j] = load_some<Word>(m.x, at.x_of(j), at.count(j), m.aligned);
    }
  }
  __device__ __forceinline__ Floats<kEight> floats(int j, Dtype dtype) const {
    if constexpr (sizeof(Word) == 4) return converted<Float32>(j);
    return dtype == Dtype::kBFloat16 ? converted<BFloat16>(j) : converted<Float16>(j);
  }
  template <class Format>
  __device__ __forceinline__ Floats<kEight> converted(int j) const {
    Floats<kEight> x;
#pragma unroll
    for (int e = 0; e < kEight; ++e) x.v[e] = Format::to_float(pack[j].get(e));
    return x;
  }
};

// Blocks of 512 threads that hold packs, a multiprocessor: what their registers allow.
template <class Word>
constexpr int kResidentEights = sizeof(Word) == 4 ? 1 : 2;

// The bits of the largest magnitude below and above 0, or, where signs do not matter, of all in
// `above`. As integers they order NaN above inf and inf above all numbers; maxima of them are exact
// in any order.
struct Extremes {
  uint32_t below = 0;
  uint32_t above = 0;

  __device__ __forceinline__ void see(F32 x, bool by_sign) {
    const uint32_t word = bits(x).v;
    const uint32_t size = word & kFloat32Magnitude;
    if (by_sign && word != size) {
      below = max(below, size);
    } else {
      above = max(above, size);
    }
  }
  __device__ __forceinline__ void see(const Floats<kEight>& x, bool by_sign) {
#pragma unroll
    for (int e = 0; e < kEight; ++e) see(x.v[e], by_sign);
  }
  __device__ __forceinline__ void see(const Extremes& other) {
    below = max(below, other.below);
    above = max(above, other.above);
  }
  __device__ __forceinline__ BlockRange range() const {
    return {max(below, above), 0.0f - word_float(below), word_float(above)};
  }
};

__device__ __forceinline__ Extremes from_lane(const Extremes& mine, int mask) {
  Extremes theirs;
  theirs.below = __shfl_xor_sync(kAllLanes, mine.below, mask);
  theirs.above = __shfl_xor_sync(kAllLanes, mine.above, mask);
  return theirs;
}

// How elements become codes; the same for all of a matrix.
struct Coder {
  Mapping mapping;
  CodeRange codes;
  bool stochastic;
  RandomStream random;

  __device__ __forceinline__ Coder(Mapping mapping, int bits, const int64_t* seed, uint32_t purpose)
      : mapping(mapping), codes(code_range(mapping, bits)), stochastic(seed != nullptr) {
    random = quantize_random(stochastic ? static_cast<uint64_t>(*seed) : 0, purpose);
  }
};

// What eight elements are quantized with, each with its own.
struct EightScales {
  Floats<kEight> inv;
  Floats<kEight> zero_point;

  __device__ __forceinline__ void set(int e, float inverse, float zero) {
    inv.v[e] = F32(inverse);
    zero_point.v[e] = F32(zero);
  }
};

__device__ __forceinline__ PhiloxWords<U32> call_words(const RandomStream& random, uint64_t call) {
  return random_words<U32>(random, static_cast<uint32_t>(call), static_cast<uint32_t>(call >> 32));
}

// Eight pieces of 16 bits moved to lower places, or to higher ones, and zeros after them. Without
// an index that is not known: the words would lie in memory.
template <bool kUp>
__device__ __forceinline__ void move_pieces(PhiloxWords<U32>& words, uint32_t places) {
  const auto at = [](int i) { return kUp ? 3 - i : i; };
  U32* const w = words.word;
#pragma unroll
  for (int step = 2; step >= 1; step /= 2) {
    const bool moved = places & (2 * step);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const U32 from = i + step < 4 ? w[at(i + step)] : U32(0);
      w[at(i)] = moved ? from : w[at(i)];
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const uint32_t next = i + 1 < 4 ? w[at(i + 1)].v : 0;
    const uint32_t odd = places % 2 * 16;
    w[at(i)] =
        kUp ? __funnelshift_l(next, w[at(i)].v, odd) : __funnelshift_r(w[at(i)].v, next, odd);
  }
}

// The random bits of elements [number, number + 8), two in a word: those of one call, or the end of
// one and the begin of the next.
__device__ __forceinline__ PhiloxWords<U32> eight_random(const RandomStream& random,
                                                         int64_t number) {
  const auto call = static_cast<uint64_t>(number / kEight);
  const auto skipped = static_cast<uint32_t>(number % kEight);
  PhiloxWords<U32> words = call_words(random, call);
  if (skipped == 0) return words;
  move_pieces<false>(words, skipped);
  PhiloxWords<U32> next = call_words(random, call + 1);
  move_pieces<true>(next, kEight - skipped);
#pragma unroll
  for (int w = 0; w < 4; ++w) words.word[w] = words.word[w] | next.word[w];
  return words;
}

// An integer in [-2^22, 2^22] as a float: its low byte stands in that of this sum.
__device__ __forceinline__ uint8_t low_byte(F32 integer) {
  return static_cast<uint8_t>(bits(integer + F32(kFirstIntegers)).v);
}

// The codes of eight elements, of which the first has this number.
__device__ __forceinline__ Pack<uint8_t, kEight> eight_codes(const Coder& c,
                                                             const Floats<kEight>& x,
                                                             const EightScales& s, int64_t number) {
  Pack<uint8_t, kEight> pack;
  if (c.mapping == Mapping::kLog2) {
#pragma unroll
    for (int e = 0; e < kEight; ++e) {
      pack.append(e, low_byte(log2_code(x.v[e], s.inv.v[e], c.codes)));
    }
  } else if (c.stochastic) {
    const PhiloxWords<U32> random = eight_random(c.random, number);
#pragma unroll
    for (int e = 0; e < kEight; ++e) {
      const F32 code = linear_code_stochastic(x.v[e], s.inv.v[e], s.zero_point.v[e], c.codes,
                                              random_bits(random, e));
      pack.append(e, low_byte(code));
    }
  } else {
#pragma unroll
    for (int e = 0; e < kEight; ++e) {
      pack.append(e, low_byte(linear_code(x.v[e], s.inv.v[e], s.zero_point.v[e], c.codes)));
    }
  }
  return pack;
}

// The sum of the first `count` of eight codes.
__device__ __forceinline__ int32_t sum_codes(const Pack<uint8_t, kEight>& pack, int count) {
  int32_t sum = 0;
#pragma unroll
  for (int w = 0; w < 2; ++w) {
    const int bytes = min(max(count - 4 * w, 0), 4);
    const uint32_t mask = bytes == 4 ? 0xffffffffu : (1u << (8 * bytes)) - 1;
    sum = __dp4a(static_cast<int32_t>(pack.raw[w] & mask), 0x01010101, sum);
  }
  return sum;
}

}  // namespace halfword
