// The Adam kernel over dense tensors, for every combination of types; what it reads of the table.
//
// A thread takes eight elements at a time: all their loads first, then the arithmetic, then the
// stores. Tiles are taken from the last to the first, because a norm that was taken just before
// left the last gradients in the L2 cache.
#pragma once

#include "core/adam_math.h"
#include "cuda/elements.cuh"
#include "cuda/launch.cuh"
#include "ops/adam_step.h"

namespace halfword {

constexpr int64_t kAdamTile = 4 * kThreads * kEight;

// The streams that eights are taken of; bits of AdamRow::aligned.
enum AdamStream { kParam, kGrad, kExpAvg, kExpAvgSq, kMaxExpAvgSq, kMaster, kMask, kAdamStreams };

struct AdamRow {
  void* param;
  void* exp_avg;
  void* exp_avg_sq;
  void* max_exp_avg_sq;
  void* master;
  const uint8_t* mask;
  float* step;
  int64_t numel;
  int64_t layout;  // word of the table; 0: dense
  uint32_t stream;
  uint32_t aligned;
  int32_t shift;  // elements that the first eight lacks
  int8_t param_dtype;
  int8_t grad_dtype;
  int8_t moment_dtype;
  int8_t kind;
};

// What the step counter of a row makes of the hyper-parameters.
struct AdamRowStep {
  AdamCoefficients coefficients;
  uint32_t step;
};

struct AdamKernelParams {
  GroupView<AdamRow> group;
  const AdamRowStep* row_steps;  // by row of the group
  const float* found_inf;
  bool stochastic_params;
  uint64_t seed;
};

enum AdamPurpose { kParamBits, kExpAvgBits, kExpAvgSqBits, kMaxExpAvgSqBits, kAdamPurposes };

// The random words of elements [8 * call, 8 * call + 8) of a parameter.
__device__ __forceinline__ PhiloxWords<U32> adam_random(uint64_t seed, uint32_t step,
                                                        uint32_t stream, AdamPurpose purpose,
                                                        int64_t call) {
  const auto number = static_cast<uint64_t>(call);
  const uint32_t draw = stream * kAdamPurposes + purpose;
  return philox4x32<U32>({{static_cast<uint32_t>(number), static_cast<uint32_t>(number >> 32),
                           step, draw}},
                         seed);
}

// One eight of a row.
struct AdamEight {
  const AdamKernelParams& p;
  const AdamRow& row;
  const AdamRowStep& row_step;
  Span span;

  __device__ bool aligned(AdamStream stream) const { return row.aligned >> stream & 1; }
  __device__ PhiloxWords<U32> random(AdamPurpose purpose) const {
    return adam_random(p.seed, row_step.step, row.stream, purpose, span.begin / kEight);
  }
};

__device__ __forceinline__ void store_stochastic(void* to, const AdamEight& at, bool aligned,
                                                 const EightFloats& x, AdamPurpose purpose) {
  const PhiloxWords<U32> random = at.random(purpose);
  Eight<uint16_t> eight;
#pragma unroll
  for (int e = 0; e < kEight; ++e) {
    eight.word[e] =
        static_cast<uint16_t>(bfloat16_stochastic(x.v[e], random_bits(random, e)).v);
  }
  store_eight(to, at.span, aligned, eight);
}

// A weight is where the FP32 value comes from and where it goes.
template <class Param>
struct PlainWeight {
  __device__ static EightFloats load(const AdamEight& at) {
    return load_floats<Param>(at.row.param, at.span, at.aligned(kParam));
  }
  __device__ static void store(const AdamEight& at, const EightFloats& p) {
    store_floats<Param>(at.row.param, at.span, at.aligned(kParam), p);
  }
};

template <>
struct PlainWeight<BFloat16> {
  __device__ static EightFloats load(const AdamEight& at) {
    return load_floats<BFloat16>(at.row.param, at.span, at.aligned(kParam));
  }
  __device__ static void store(const AdamEight& at, const EightFloats& p) {
    if (at.p.stochastic_params) {
      store_stochastic(at.row.param, at, at.aligned(kParam), p, kParamBits);
    } else {
      store_floats<BFloat16>(at.row.param, at.span, at.aligned(kParam), p);
    }
  }
};

template <class Param>
struct MasterWeight {
  __device__ static EightFloats load(const AdamEight& at) {
    return load_floats<Float32>(at.row.master, at.span, at.aligned(kMaster));
  }
  __device__ static void store(const AdamEight& at, const EightFloats& p) {
    store_floats<Float32>(at.row.master, at.span, at.aligned(kMaster), p);
    store_floats<Param>(at.row.param, at.span, at.aligned(kParam), p);
  }
};

struct RemainderWeight {
  __device__ static EightFloats load(const AdamEight& at) {
    const auto high = load_eight<uint16_t>(at.row.param, at.span, at.aligned(kParam));
    const auto low = load_eight<uint16_t>(at.row.master, at.span, at.aligned(kMaster));
    EightFloats p;
#pragma unroll
    for (int e = 0; e < kEight; ++e) {
      const auto extended = static_cast<int32_t>(static_cast<int16_t>(low.word[e]));
      p.v[e] = join_word<F32>(U32(high.word[e]), U32(static_cast<uint32_t>(extended)));
    }
    return p;
  }
  __device__ static void store(const AdamEight& at, const EightFloats& p) {
    Eight<uint16_t> high, low;
#pragma unroll
    for (int e = 0; e < kEight; ++e) {
      const SplitWord<U32> split = split_word(p.v[e]);
      high.word[e] = static_cast<uint16_t>(split.high.v);
      low.word[e] = static_cast<uint16_t>(split.low.v);
    }
    store_eight(at.row.param, at.span, at.aligned(kParam), high);
    store_eight(at.row.master, at.span, at.aligned(kMaster), low);
  }
};

template <class Moment>
__device__ __forceinline__ void store_moment(void* to, const AdamEight& at, AdamStream stream,
                                             const EightFloats& x, AdamPurpose purpose) {
  if constexpr (sizeof(typename Moment::Word) == 2) {
    store_stochastic(to, at, at.aligned(stream), x, purpose);
  } else {
    store_floats<Moment>(to, at.span, at.aligned(stream), x);
  }
}

template <class Weight, class Grad, class Moment>
__device__ __forceinline__ void adam_eight(const AdamEight& at, const void* grads) {
  const AdamRow& row = at.row;
  const AdamCoefficients& c = at.row_step.coefficients;
  const EightFloats g = load_floats<Grad>(grads, at.span, at.aligned(kGrad));
  EightFloats p = Weight::load(at);
  EightFloats m = load_floats<Moment>(row.exp_avg, at.span, at.aligned(kExpAvg));
  EightFloats v = load_floats<Moment>(row.exp_avg_sq, at.span, at.aligned(kExpAvgSq));
  EightFloats v_max = v;
  if (c.amsgrad) {
    v_max = load_floats<Moment>(row.max_exp_avg_sq, at.span, at.aligned(kMaxExpAvgSq));
  }
#pragma unroll
  for (int e = 0; e < kEight; ++e) {
    AdamState<F32> s{p.v[e], m.v[e], v.v[e], v_max.v[e]};
    adam_update(s, g.v[e], c);
    p.v[e] = s.p, m.v[e] = s.m, v.v[e] = s.v, v_max.v[e] = s.v_max;
  }
  if (row.mask != nullptr) {
    const auto kept = load_eight<uint8_t>(row.mask, at.span, at.aligned(kMask));
#pragma unroll
    for (int e = 0; e < kEight; ++e) {
      if (kept.word[e] == 0) p.v[e] = m.v[e] = v.v[e] = v_max.v[e] = F32(0.0f);
    }
  }
  Weight::store(at, p);
  store_moment<Moment>(row.exp_avg, at, kExpAvg, m, kExpAvgBits);
  store_moment<Moment>(row.exp_avg_sq, at, kExpAvgSq, v, kExpAvgSqBits);
  if (c.amsgrad) {
    store_moment<Moment>(row.max_exp_avg_sq, at, kMaxExpAvgSq, v_max, kMaxExpAvgSqBits);
  }
}

template <class Weight, class Grad, class Moment>
__global__ void __launch_bounds__(kThreads, 2) adam_step_kernel(const AdamKernelParams p) {
  if (p.found_inf != nullptr && *p.found_inf != 0.0f) return;
  for (int64_t k = p.group.tiles - 1 - blockIdx.x; k >= 0; k -= gridDim.x) {
    const RowTile place = find_row(p.group.ends, p.group.count, k);
    const AdamRow row = p.group.rows[place.row];
    const AdamRowStep row_step = p.row_steps[place.row];
    const void* grads = p.group.grads[place.row];
    for (int64_t i = threadIdx.x * kEight; i < kAdamTile; i += kThreads * kEight) {
      const int64_t begin = place.tile * kAdamTile + i - row.shift;
      if (begin >= row.numel) break;
      adam_eight<Weight, Grad, Moment>({p, row, row_step, Span(begin, row.numel)}, grads);
    }
  }
}

// Launches the kernel for a combination of types. One definition a kind of weight, each in a file
// of its own, so that they compile side by side.
using AdamLaunch = cudaError_t (*)(int64_t tiles, cudaStream_t stream, const AdamKernelParams& p);
AdamLaunch plain_weight_launch(Dtype param, Dtype grad, Dtype moment);
AdamLaunch master_weight_launch(Dtype param, Dtype grad, Dtype moment);
AdamLaunch remainder_weight_launch(Dtype grad, Dtype moment);
cudaError_t launch_adam_strided(int64_t tiles, cudaStream_t stream, const AdamKernelParams& p);

template <class Weight, class Grad, class Moment>
cudaError_t launch_adam(int64_t tiles, cudaStream_t stream, const AdamKernelParams& p) {
  return launch_over_tiles<adam_step_kernel<Weight, Grad, Moment>>(tiles, stream, p);
}

template <class Weight, class Grad>
AdamLaunch select_moment(Dtype moment) {
  return moment == Dtype::kFloat32 ? launch_adam<Weight, Grad, Float32>
                                   : launch_adam<Weight, Grad, BFloat16>;
}

template <class Weight>
AdamLaunch select_launch(Dtype grad, Dtype moment) {
  switch (grad) {
    case Dtype::kFloat32: return select_moment<Weight, Float32>(moment);
    case Dtype::kBFloat16: return select_moment<Weight, BFloat16>(moment);
    case Dtype::kFloat16: return select_moment<Weight, Float16>(moment);
  }
  return nullptr;
}

}  // namespace halfword
