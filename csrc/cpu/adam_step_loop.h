// The Adam element loop, written once for every instruction set and combination of types.
// Include after one of the simd_*.h headers.
#pragma once

#include "core/adam_random.h"
#include "cpu/adam_step_run.h"
#include "cpu/elements.h"
#include "cpu/random_bits.h"

namespace halfword {
namespace {

// Random bits of the block at hand, one row a purpose.
using RandomBlock = uint16_t[kAdamPurposes][kRandomBlock];

// A weight is where the FP32 value comes from and where it goes.
template <class Param>
struct PlainWeight {
  static constexpr bool kStochastic = false;
  HALFWORD_INLINE static F32 load(const AdamRun& run, int64_t i) {
    return Param::load(run.param, i);
  }
  HALFWORD_INLINE static void store(const AdamRun& run, int64_t i, F32 p, const uint16_t*) {
    Param::store(run.param, i, p);
  }
};

template <>
struct PlainWeight<BFloat16> {
  static constexpr bool kStochastic = true;  // if the run asks for it
  HALFWORD_INLINE static F32 load(const AdamRun& run, int64_t i) {
    return BFloat16::load(run.param, i);
  }
  HALFWORD_INLINE static void store(const AdamRun& run, int64_t i, F32 p, const uint16_t* random) {
    const U32 word = run.stochastic_params ? bfloat16_stochastic(p, widen(load_halves(random)))
                                           : bfloat16_nearest(p);
    store_halves(static_cast<uint16_t*>(run.param) + i, narrow(word));
  }
};

template <class Param>
struct MasterWeight {
  static constexpr bool kStochastic = false;
  HALFWORD_INLINE static F32 load(const AdamRun& run, int64_t i) {
    return Float32::load(run.master, i);
  }
  HALFWORD_INLINE static void store(const AdamRun& run, int64_t i, F32 p, const uint16_t*) {
    Float32::store(run.master, i, p);
    uint16_t* copy = static_cast<uint16_t*>(run.param) + i;
    if (run.stream_params) {
      stream_halves(copy, Param::nearest(p));
    } else {
      store_halves(copy, Param::nearest(p));
    }
  }
};

struct RemainderWeight {
  static constexpr bool kStochastic = false;
  HALFWORD_INLINE static F32 load(const AdamRun& run, int64_t i) {
    const U16 high = load_halves(static_cast<const uint16_t*>(run.param) + i);
    const U16 low = load_halves(static_cast<const uint16_t*>(run.master) + i);
    return join_word<F32>(widen(high), widen_signed(low));
  }
  HALFWORD_INLINE static void store(const AdamRun& run, int64_t i, F32 p, const uint16_t*) {
    const SplitWord<U32> split = split_word(p);
    store_halves(static_cast<uint16_t*>(run.param) + i, narrow(split.high));
    store_halves(static_cast<uint16_t*>(run.master) + i, narrow(split.low));
  }
};

template <class Moment>
HALFWORD_INLINE void store_moment(void* p, int64_t i, F32 x, const uint16_t* random) {
  if constexpr (sizeof(typename Moment::Word) == 2) {
    const U32 word = bfloat16_stochastic(x, widen(load_halves(random)));
    store_halves(static_cast<uint16_t*>(p) + i, narrow(word));
  } else {
    Moment::store(p, i, x);
  }
}

template <class Weight, class Grad, class Moment>
HALFWORD_INLINE void adam_vector(const AdamRun& run, int64_t i, const RandomBlock& random) {
  const int64_t r = i % kRandomBlock;
  const bool amsgrad = run.coefficients.amsgrad;
  AdamState<F32> s;
  s.p = Weight::load(run, i);
  s.m = Moment::load(run.exp_avg, i);
  s.v = Moment::load(run.exp_avg_sq, i);
  s.v_max = amsgrad ? Moment::load(run.max_exp_avg_sq, i) : F32(0.0f);

  adam_update(s, Grad::load(run.grad, i), run.coefficients);

  if (run.mask != nullptr) {
    const Mask kept = load_nonzero(run.mask + i);
    const F32 zero(0.0f);
    s = {select(kept, s.p, zero), select(kept, s.m, zero), select(kept, s.v, zero),
         select(kept, s.v_max, zero)};
  }
  Weight::store(run, i, s.p, random[kParamBits] + r);
  store_moment<Moment>(run.exp_avg, i, s.m, random[kExpAvgBits] + r);
  store_moment<Moment>(run.exp_avg_sq, i, s.v, random[kExpAvgSqBits] + r);
  if (amsgrad) store_moment<Moment>(run.max_exp_avg_sq, i, s.v_max, random[kMaxExpAvgSqBits] + r);
}

// Makes the bits that the block [first, first + count) of the run will use.
template <class Weight, class Moment>
HALFWORD_INLINE void fill_block(const AdamRun& run, int64_t first, int64_t count,
                                RandomBlock& random) {
  const bool moments = sizeof(typename Moment::Word) == 2;
  const bool wanted[kAdamPurposes] = {Weight::kStochastic && run.stochastic_params, moments,
                                      moments, moments && run.coefficients.amsgrad};
  for (int purpose = 0; purpose < kAdamPurposes; ++purpose) {
    if (!wanted[purpose]) continue;
    const RandomStream key = adam_random(run.seed, run.step, run.stream, purpose);
    if (run.elements != nullptr) {
      gather_random(key, run.elements + first, count, random[purpose]);
    } else {
      fill_random(key, run.first_element + first, count, random[purpose]);
    }
  }
}

template <class Weight, class Grad, class Moment>
void adam_loop(const AdamRun& run) {
  alignas(64) RandomBlock random;
  for (int64_t first = 0; first < run.count; first += kRandomBlock) {
    const int64_t left = run.count - first;
    const int64_t count = left < kRandomBlock ? left : kRandomBlock;
    fill_block<Weight, Moment>(run, first, count, random);
    for (int64_t i = first; i < first + count; i += kLanes) {
      adam_vector<Weight, Grad, Moment>(run, i, random);
    }
  }
  if (run.stream_params) finish_streaming();
}

template <class Weight, class Grad>
AdamLoop select_moment(Dtype moment) {
  return moment == Dtype::kFloat32 ? adam_loop<Weight, Grad, Float32>
                                   : adam_loop<Weight, Grad, BFloat16>;
}

template <class Weight>
AdamLoop select_grad(Dtype grad, Dtype moment) {
  switch (grad) {
    case Dtype::kFloat32: return select_moment<Weight, Float32>(moment);
    case Dtype::kBFloat16: return select_moment<Weight, BFloat16>(moment);
    case Dtype::kFloat16: return select_moment<Weight, Float16>(moment);
  }
  return nullptr;
}

HALFWORD_INLINE AdamLoop select_adam_loop(Dtype param, Master master, Dtype grad, Dtype moment) {
  if (master == Master::kRemainder) return select_grad<RemainderWeight>(grad, moment);
  if (master == Master::kFloat32) {
    return param == Dtype::kBFloat16 ? select_grad<MasterWeight<BFloat16>>(grad, moment)
                                     : select_grad<MasterWeight<Float16>>(grad, moment);
  }
  switch (param) {
    case Dtype::kFloat32: return select_grad<PlainWeight<Float32>>(grad, moment);
    case Dtype::kBFloat16: return select_grad<PlainWeight<BFloat16>>(grad, moment);
    case Dtype::kFloat16: return select_grad<PlainWeight<Float16>>(grad, moment);
  }
  return nullptr;
}

}  // namespace
}  // namespace halfword
