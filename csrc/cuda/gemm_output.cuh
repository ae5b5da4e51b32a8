// What follows a product, as core/gemm_output.h says, eight elements of a row at a time.
#pragma once

#include "core/gemm_output.h"
#include "core/quantize_math.h"
#include "cuda/elements.cuh"
#include "cuda/gemm_output.h"

namespace halfword {

// The columns of a lane, two times four: next to each other, or of 32-bit elements half a segment
// apart, so that the 16 bytes of a lane follow those of the lane before.
//
// Of a segment of kWidth columns, lane l of kWidth / 8 has these.
template <int kWidth>
struct GemmColumns {
  int64_t first[2];
  int count[2];  // of four, how many exist
  F32 scale[8];
  F32 bias[8];

  __device__ static int place(GemmOut type, int lane, int quad) {
    const bool is_wide = type == GemmOut::kFloat32 || type == GemmOut::kInt32;
    return is_wide ? 4 * lane + kWidth / 2 * quad : 8 * lane + 4 * quad;
  }

  __device__ GemmColumns(const GemmOutput& p, int64_t segment, int lane) {
#pragma unroll
    for (int q = 0; q < 2; ++q) {
      first[q] = segment + place(p.out_type, lane, q);
      const int64_t left = p.n - first[q];
      count[q] = static_cast<int>(left < 0 ? 0 : left < 4 ? left : 4);
    }
#pragma unroll
    for (int e = 0; e < 8; ++e) {
      const int64_t n = first[e / 4] + e % 4;
      scale[e] = F32(1.0f), bias[e] = F32(0.0f);
      if (e % 4 >= count[e / 4]) continue;
      if (p.scale_b.data != nullptr) scale[e] = F32(p.scale_b.data[n * p.scale_b.stride]);
      if (p.bias != nullptr) bias[e] = load_element(p.bias, n, p.bias_dtype);
    }
  }
};

// Elements i to i + 3, of which `count` exist.
__device__ __forceinline__ void load_quad(const void* from, int64_t i, Dtype dtype, int count,
                                          bool in_packs, F32 (&x)[4]) {
  if (in_packs && count == 4) {
    Floats<4> pack;
    switch (dtype) {
      case Dtype::kFloat32: pack = load_floats<Float32, 4>(from, i); break;
      case Dtype::kBFloat16: pack = load_floats<BFloat16, 4>(from, i); break;
      case Dtype::kFloat16: pack = load_floats<Float16, 4>(from, i); break;
    }
#pragma unroll
    for (int e = 0; e < 4; ++e) x[e] = pack.v[e];
    return;
  }
#pragma unroll
  for (int e = 0; e < 4; ++e) x[e] = e < count ? load_element(from, i + e, dtype) : F32(0.0f);
}

// Eight words of out as they are: in as few accesses as they allow.
template <class Word, class Columns>
__device__ __forceinline__ void store_eight(void* out, int64_t row, const Columns& columns,
                                            bool in_packs, const Word (&words)[8]) {
  constexpr int kPack = sizeof(Word) == 4 ? 4 : 8;
  if (in_packs && columns.count[0] == 4 && columns.count[1] == 4) {
#pragma unroll
    for (int first = 0; first < 8; first += kPack) {
      Pack<Word, kPack> pack;
#pragma unroll
      for (int e = 0; e < kPack; ++e) pack.append(e, words[first + e]);
      store_words(out, row + columns.first[first / 4], pack);
    }
    return;
  }
#pragma unroll
  for (int e = 0; e < 8; ++e) {
    if (e % 4 >= columns.count[e / 4]) continue;
    in_global<Word>(out)[row + columns.first[e / 4] + e % 4] = words[e];
  }
}

template <class Format, class Columns>
__device__ __forceinline__ void store_rounded(void* out, int64_t row, const Columns& columns,
                                              bool in_packs, const F32 (&y)[8]) {
  typename Format::Word words[8];
#pragma unroll
  for (int e = 0; e < 8; ++e) words[e] = Format::nearest(y[e]);
  store_eight(out, row, columns, in_packs, words);
}

template <class Columns>
__device__ __forceinline__ void store_codes(const GemmOutput& p, int64_t row,
                                            const Columns& columns, bool in_packs,
                                            const F32 (&y)[8]) {
  const BlockScale block = given_scale(
      *p.scale_out, p.zero_point_out == nullptr ? 0.0f : static_cast<float>(*p.zero_point_out));
  const CodeRange codes = code_range(Mapping::kAffine, 8);
  uint8_t words[8];
#pragma unroll
  for (int e = 0; e < 8; ++e) {
    const F32 code = linear_code(y[e], F32(block.inv), F32(block.zero_point), codes);
    words[e] = static_cast<uint8_t>(to_integer(code).v);
  }
  store_eight(p.out, row, columns, in_packs, words);
}

// Row m of out in these columns, from its sums; out is not int32.
template <class Columns>
__device__ __forceinline__ void gemm_finish(const GemmOutput& p, const GemmPacks& packs, int64_t m,
                                            const Columns& columns, F32 (&y)[8]) {
  const int64_t row = m * p.out_stride;
  const F32 scale_a(p.scale_a.data == nullptr ? 1.0f : p.scale_a.data[m * p.scale_a.stride]);
#pragma unroll
  for (int e = 0; e < 8; ++e) y[e] = y[e] * columns.scale[e] * scale_a;
  if (p.bias != nullptr) {
#pragma unroll
    for (int e = 0; e < 8; ++e) y[e] = y[e] + columns.bias[e];
  }
  if (p.residual != nullptr) {
#pragma unroll
    for (int q = 0; q < 2; ++q) {
      F32 more[4];
      load_quad(p.residual, m * p.residual_stride + columns.first[q], p.residual_dtype,
                columns.count[q], packs.residual, more);
#pragma unroll
      for (int e = 0; e < 4; ++e) y[4 * q + e] = y[4 * q + e] + more[e];
    }
  }
  if (p.activation != Activation::kNone) {
#pragma unroll 1
    for (int e = 0; e < 8; ++e) {
#pragma unroll
      for (int i = 0; i < 8; ++i) {  // an index that is not known would put y in memory
        if (i == e) y[i] = activate(y[i], p.activation);
      }
    }
  }
  if (p.beta != 0.0f) {
#pragma unroll
    for (int q = 0; q < 2; ++q) {
      F32 before[4];
      load_quad(p.out, row + columns.first[q], Dtype::kFloat32, columns.count[q], packs.out,
                before);
#pragma unroll
      for (int e = 0; e < 4; ++e) y[4 * q + e] = y[4 * q + e] + F32(p.beta) * before[e];
    }
  }
  switch (p.out_type) {
    case GemmOut::kFloat32: return store_rounded<Float32>(p.out, row, columns, packs.out, y);
    case GemmOut::kBFloat16: return store_rounded<BFloat16>(p.out, row, columns, packs.out, y);
    case GemmOut::kFloat16: return store_rounded<Float16>(p.out, row, columns, packs.out, y);
    case GemmOut::kInt8: return store_codes(p, row, columns, packs.out, y);
    case GemmOut::kInt32: return;
  }
}

}  // namespace halfword
