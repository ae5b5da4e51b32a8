// The Adam kernel over dense tensors, for every combination of types; what it reads of the table.
//
// A thread takes a pack of elements at a time: all their loads first, then the arithmetic, then the
// stores; where they are fewer, one by one. Tiles are taken from the last to the first, because a
// norm that was taken just before left the last gradients in the L2 cache.
#pragma once

#include <type_traits>

#include "core/adam_math.h"
#include "core/adam_random.h"
#include "cuda/elements.cuh"
#include "cuda/launch.cuh"
#include "ops/adam_step.h"

namespace halfword {

constexpr int64_t kAdamTile = 8192;

// Elements in 16 bytes of a tensor's widest stream, so that a warp's accesses leave no gap between
// its threads.
HALFWORD_INLINE constexpr int adam_pack(size_t widest) { return static_cast<int>(16 / widest); }

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
  int16_t shift;         // alignment_shift
  int16_t grad_aligned;  // as the rest is
  int16_t param_dtype;
  int16_t grad_dtype;
  int16_t moment_dtype;
  int16_t kind;
};
static_assert(sizeof(AdamRow) == 9 * 8 + 4 + 6 * 2);  // no padding: rows are compared as words

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

// The random words of the eight elements that element i is one of.
__device__ __forceinline__ PhiloxWords<U32> adam_random_at(const AdamKernelParams& p,
                                                           const AdamRow& row, uint32_t step,
                                                           AdamPurpose purpose, int64_t i) {
  const auto call = static_cast<uint64_t>(i / kElementsPerPhilox);
  return random_words<U32>(adam_random(p.seed, step, row.stream, purpose),
                           static_cast<uint32_t>(call), static_cast<uint32_t>(call >> 32));
}

// Consecutive elements of a row: a pack, or a single one.
struct AdamPlace {
  const AdamKernelParams& p;
  const AdamRow& row;
  const AdamRowStep& row_step;
  int64_t i;  // of the first
};

template <int kCount>
__device__ __forceinline__ void store_stochastic(void* to, const AdamPlace& at,
                                                 const Floats<kCount>& x, AdamPurpose purpose) {
  const PhiloxWords<U32> random = adam_random_at(at.p, at.row, at.row_step.step, purpose, at.i);
  const int first = kCount == kElementsPerPhilox ? 0 : static_cast<int>(at.i % kElementsPerPhilox);
  Pack<uint16_t, kCount> pack;
#pragma unroll
  for (int e = 0; e < kCount; ++e) {
    const U32 bits = random_bits(random, first + e);
    pack.append(e, static_cast<uint16_t>(bfloat16_stochastic(x.v[e], bits).v));
  }
  store_words(to, at.i, pack);
}

// A weight is where the FP32 value comes from and where it goes.
template <class Param>
struct PlainWeight {
  static constexpr size_t kWidest = sizeof(typename Param::Word);
  template <int kCount>
  __device__ static Floats<kCount> load(const AdamPlace& at) {
    return load_floats<Param, kCount>(at.row.param, at.i);
  }
  template <int kCount>
  __device__ static void store(const AdamPlace& at, const Floats<kCount>& p) {
    if (std::is_same_v<Param, BFloat16> && at.p.stochastic_params) {
      store_stochastic(at.row.param, at, p, kParamBits);
    } else {
      store_floats<Param>(at.row.param, at.i, p);
    }
  }
};

template <class Param>
struct MasterWeight {
  static constexpr size_t kWidest = sizeof(float);
  template <int kCount>
  __device__ static Floats<kCount> load(const AdamPlace& at) {
    return load_floats<Float32, kCount>(at.row.master, at.i);
  }
  template <int kCount>
  __device__ static void store(const AdamPlace& at, const Floats<kCount>& p) {
    store_floats<Float32>(at.row.master, at.i, p);
    store_floats<Param>(at.row.param, at.i, p);
  }
};

struct RemainderWeight {
  static constexpr size_t kWidest = sizeof(uint16_t);
  template <int kCount>
  __device__ static Floats<kCount> load(const AdamPlace& at) {
    const auto high = load_words<kCount, uint16_t>(at.row.param, at.i);
    const auto low = load_words<kCount, int16_t>(at.row.master, at.i);
    Floats<kCount> p;
#pragma unroll
    for (int e = 0; e < kCount; ++e) {
      const int32_t extended = low.get(e);
      p.v[e] = join_word<F32>(U32(high.get(e)), U32(static_cast<uint32_t>(extended)));
    }
    return p;
  }
  template <int kCount>
  __device__ static void store(const AdamPlace& at, const Floats<kCount>& p) {
    Pack<uint16_t, kCount> high, low;
#pragma unroll
    for (int e = 0; e < kCount; ++e) {
      const SplitWord<U32> split = split_word(p.v[e]);
      high.append(e, static_cast<uint16_t>(split.high.v));
      low.append(e, static_cast<uint16_t>(split.low.v));
    }
    store_words(at.row.param, at.i, high);
    store_words(at.row.master, at.i, low);
  }
};

template <class Moment, int kCount>
__device__ __forceinline__ void store_moment(void* to, const AdamPlace& at, const Floats<kCount>& x,
                                             AdamPurpose purpose) {
  if constexpr (std::is_same_v<Moment, BFloat16>) {
    store_stochastic(to, at, x, purpose);
  } else {
    store_floats<Moment>(to, at.i, x);
  }
}

template <class Grad, int kCount>
__device__ __forceinline__ Floats<kCount> load_grads(const void* grads, const AdamPlace& at) {
  if constexpr (kCount == 1) {
    return load_floats<Grad, kCount>(grads, at.i);
  } else {
    return at.row.grad_aligned ? load_floats<Grad, kCount>(grads, at.i)
                               : load_floats_singly<Grad, kCount>(grads, at.i);
  }
}

template <class Weight, class Grad, class Moment, int kCount>
__device__ __forceinline__ void adam_elements(const AdamPlace& at, const void* grads) {
  const AdamRow& row = at.row;
  const AdamCoefficients& c = at.row_step.coefficients;
  const auto g = load_grads<Grad, kCount>(grads, at);
  auto p = Weight::template load<kCount>(at);
  auto m = load_floats<Moment, kCount>(row.exp_avg, at.i);
  auto v = load_floats<Moment, kCount>(row.exp_avg_sq, at.i);
  auto v_max = v;
  if (c.amsgrad) v_max = load_floats<Moment, kCount>(row.max_exp_avg_sq, at.i);
#pragma unroll
  for (int e = 0; e < kCount; ++e) {
    AdamState<F32> s{p.v[e], m.v[e], v.v[e], v_max.v[e]};
    adam_update(s, g.v[e], c);
    p.v[e] = s.p, m.v[e] = s.m, v.v[e] = s.v, v_max.v[e] = s.v_max;
  }
  if (row.mask != nullptr) {
    const auto kept = load_words<kCount, uint8_t>(row.mask, at.i);
#pragma unroll
    for (int e = 0; e < kCount; ++e) {
      if (kept.get(e) == 0) p.v[e] = m.v[e] = v.v[e] = v_max.v[e] = F32(0.0f);
    }
  }
  Weight::store(at, p);
  store_moment<Moment>(row.exp_avg, at, m, kExpAvgBits);
  store_moment<Moment>(row.exp_avg_sq, at, v, kExpAvgSqBits);
  if (c.amsgrad) store_moment<Moment>(row.max_exp_avg_sq, at, v_max, kMaxExpAvgSqBits);
}

// Blocks a multiprocessor: what the registers allow without spills; random bits take many.
template <class Moment>
constexpr int kAdamBlocks = std::is_same_v<Moment, BFloat16> ? 2 : 3;

template <class Weight, class Grad, class Moment>
__global__ void __launch_bounds__(kThreads, kAdamBlocks<Moment>)
    adam_step_kernel(const AdamKernelParams p) {
  constexpr bool kAnyFloat32 =
      Weight::kWidest == 4 || std::is_same_v<Grad, Float32> || std::is_same_v<Moment, Float32>;
  constexpr int kPack = adam_pack(kAnyFloat32 ? 4 : 2);
  if (p.found_inf != nullptr && *p.found_inf != 0.0f) return;
  for (int64_t k = p.group.tiles - 1 - blockIdx.x; k >= 0; k -= gridDim.x) {
    const RowTile place = find_row(p.group.ends, p.group.count, k);
    const AdamRow row = p.group.rows[place.row];
    const AdamRowStep row_step = p.row_steps[place.row];
    const void* grads = p.group.grads[place.row];
    for (int64_t i = threadIdx.x * kPack; i < kAdamTile; i += kThreads * kPack) {
      for_elements<kPack>(
          place.tile * kAdamTile + i - row.shift, row.numel,
          [&](int64_t at) {
            adam_elements<Weight, Grad, Moment, kPack>({p, row, row_step, at}, grads);
          },
          [&](int64_t at) {
            adam_elements<Weight, Grad, Moment, 1>({p, row, row_step, at}, grads);
          });
    }
  }
}

// Launches the kernel for a combination of types. One definition a kind of weight, each in a file
// of its own, so that they compile side by side.
using AdamLaunch = cudaError_t (*)(int64_t tiles, cudaStream_t stream, const AdamKernelParams& p);
AdamLaunch plain_weight_launch(Dtype param, Dtype grad, Dtype moment);
AdamLaunch master_weight_launch(Dtype param, Dtype grad, Dtype moment);
AdamLaunch remainder_weight_launch(Dtype grad, Dtype moment);
cudaError_t launch_adam_scattered(int64_t tiles, cudaStream_t stream, const AdamKernelParams& p);

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
