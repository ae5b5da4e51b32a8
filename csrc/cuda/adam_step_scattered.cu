// The kernel for tensors that are not dense in one order, or not aligned alike, of any types: an
// element a thread, neighbours by neighbouring threads.
#include "cuda/adam_step_kernel.cuh"

namespace halfword {
namespace {

// The tensors of a layout, in its order; kAdamStreams is the element number.
enum AdamStream { kParam, kGrad, kExpAvg, kExpAvgSq, kMaxExpAvgSq, kMaster, kMask, kAdamStreams };

// One element, whose place in each tensor, and number in row-major order, the layout tells.
struct AdamElement {
  const AdamKernelParams& p;
  const AdamRow& row;
  const AdamRowStep& row_step;
  int64_t at[kAdamLayoutTensors];

  __device__ U32 random(AdamPurpose purpose) const {
    const int64_t number = at[kAdamStreams];
    return random_bits(adam_random_at(p, row, row_step.step, purpose, number),
                       static_cast<int>(number % kElementsPerPhilox));
  }
};

__device__ __forceinline__ uint16_t load_half(const void* p, int64_t i) {
  return load_words<1, uint16_t>(p, i).get(0);
}
__device__ __forceinline__ void store_half(void* p, int64_t i, U32 word) {
  store_words<1, uint16_t>(p, i, {{static_cast<uint16_t>(word.v)}});
}

__device__ __forceinline__ F32 load_weight(const AdamElement& e) {
  switch (static_cast<Master>(e.row.kind)) {
    case Master::kNone:
      return load_element(e.row.param, e.at[kParam], static_cast<Dtype>(e.row.param_dtype));
    case Master::kFloat32: return load_element(e.row.master, e.at[kMaster], Dtype::kFloat32);
    case Master::kRemainder: {
      const U32 high(load_half(e.row.param, e.at[kParam]));
      const int32_t low = static_cast<int16_t>(load_half(e.row.master, e.at[kMaster]));
      return join_word<F32>(high, U32(static_cast<uint32_t>(low)));
    }
  }
  return F32(0.0f);
}

__device__ __forceinline__ void store_weight(const AdamElement& e, F32 p) {
  const auto dtype = static_cast<Dtype>(e.row.param_dtype);
  switch (static_cast<Master>(e.row.kind)) {
    case Master::kNone:
      if (dtype == Dtype::kBFloat16 && e.p.stochastic_params) {
        store_half(e.row.param, e.at[kParam], bfloat16_stochastic(p, e.random(kParamBits)));
      } else {
        store_element(e.row.param, e.at[kParam], dtype, p);
      }
      return;
    case Master::kFloat32:
      store_element(e.row.master, e.at[kMaster], Dtype::kFloat32, p);
      store_element(e.row.param, e.at[kParam], dtype, p);
      return;
    case Master::kRemainder: {
      const SplitWord<U32> split = split_word(p);
      store_half(e.row.param, e.at[kParam], split.high);
      store_half(e.row.master, e.at[kMaster], split.low);
      return;
    }
  }
}

__device__ __forceinline__ void store_moment(const AdamElement& e, void* to, AdamStream stream,
                                             F32 x, AdamPurpose purpose) {
  if (static_cast<Dtype>(e.row.moment_dtype) == Dtype::kBFloat16) {
    store_half(to, e.at[stream], bfloat16_stochastic(x, e.random(purpose)));
  } else {
    store_element(to, e.at[stream], Dtype::kFloat32, x);
  }
}

__device__ __forceinline__ void adam_element(const AdamElement& e, const void* grads) {
  const AdamRow& row = e.row;
  const auto moment = static_cast<Dtype>(row.moment_dtype);
  const AdamCoefficients& c = e.row_step.coefficients;
  AdamState<F32> s;
  s.p = load_weight(e);
  s.m = load_element(row.exp_avg, e.at[kExpAvg], moment);
  s.v = load_element(row.exp_avg_sq, e.at[kExpAvgSq], moment);
  s.v_max = c.amsgrad ? load_element(row.max_exp_avg_sq, e.at[kMaxExpAvgSq], moment) : s.v;
  adam_update(s, load_element(grads, e.at[kGrad], static_cast<Dtype>(row.grad_dtype)), c);
  if (row.mask != nullptr && row.mask[e.at[kMask]] == 0) s.p = s.m = s.v = s.v_max = F32(0.0f);
  store_weight(e, s.p);
  store_moment(e, row.exp_avg, kExpAvg, s.m, kExpAvgBits);
  store_moment(e, row.exp_avg_sq, kExpAvgSq, s.v, kExpAvgSqBits);
  if (c.amsgrad) store_moment(e, row.max_exp_avg_sq, kMaxExpAvgSq, s.v_max, kMaxExpAvgSqBits);
}

__global__ void __launch_bounds__(kThreads) adam_step_scattered_kernel(const AdamKernelParams p) {
  if (p.found_inf != nullptr && *p.found_inf != 0.0f) return;
  for (int64_t k = p.group.tiles - 1 - blockIdx.x; k >= 0; k -= gridDim.x) {
    const RowTile place = find_row(p.group.ends, p.group.count, k);
    const AdamRow row = p.group.rows[place.row];
    const AdamRowStep row_step = p.row_steps[place.row];
    const int64_t begin = place.tile * kAdamTile;
    const int64_t end = begin + kAdamTile < row.numel ? begin + kAdamTile : row.numel;
    for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
      AdamElement e{p, row, row_step, {}};
      walk(p.group.words, row.layout, i, e.at);
      adam_element(e, p.group.grads[place.row]);
    }
  }
}

}  // namespace

cudaError_t launch_adam_scattered(int64_t tiles, cudaStream_t stream, const AdamKernelParams& p) {
  return launch_over_tiles<adam_step_scattered_kernel>(tiles, stream, p);
}

}  // namespace halfword
