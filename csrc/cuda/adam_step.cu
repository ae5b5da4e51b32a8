// Lays the list out by the kernel that takes it, one kernel a combination of types, and launches:
// first one block that reads and moves the step counters and makes the coefficients, then a kernel
// a combination.
#include "ops/adam_step.h"

#include <algorithm>
#include <numeric>

#include "cuda/adam_step_kernel.cuh"
#include "cuda/alignment.h"

namespace halfword {
namespace {

// Which kernel takes a parameter, as a number that groups are sorted by: a digit a type.
constexpr int32_t kScattered = 81;

int32_t kernel_of(const AdamTensors& t, int64_t shift) {
  const auto digit = [](auto e) { return static_cast<int32_t>(e); };
  if (t.layout != nullptr || shift == kUnaligned) return kScattered;
  return ((digit(t.kind) * 3 + digit(t.param_dtype)) * 3 + digit(t.grad_dtype)) * 3 +
         digit(t.moment_dtype);
}

AdamLaunch launch_of(int32_t kernel) {
  if (kernel == kScattered) return launch_adam_scattered;
  const auto moment = static_cast<Dtype>(kernel % 3);
  const auto grad = static_cast<Dtype>(kernel / 3 % 3);
  const auto param = static_cast<Dtype>(kernel / 9 % 3);
  switch (static_cast<Master>(kernel / 27)) {
    case Master::kNone: return plain_weight_launch(param, grad, moment);
    case Master::kFloat32: return master_weight_launch(param, grad, moment);
    case Master::kRemainder: return remainder_weight_launch(grad, moment);
  }
  return nullptr;
}

// The parameters in the order of their kernels.
std::vector<int64_t> order_of(const std::vector<int32_t>& kernels) {
  std::vector<int64_t> order(kernels.size());
  std::iota(order.begin(), order.end(), 0);
  if (!std::is_sorted(kernels.begin(), kernels.end())) {
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return kernels[a] < kernels[b]; });
  }
  return order;
}

int64_t shift_of(const AdamTensors& t, bool stochastic_params) {
  const size_t moment = element_size(t.moment_dtype);
  const Stream streams[] = {{t.param, element_size(t.param_dtype)},
                            {t.grad, element_size(t.grad_dtype)},
                            {t.exp_avg, moment},
                            {t.exp_avg_sq, moment},
                            {t.max_exp_avg_sq, moment},
                            {t.master, t.kind == Master::kRemainder ? size_t{2} : size_t{4}},
                            {t.mask, 1}};
  const size_t weight = t.kind == Master::kFloat32 ? 4 : element_size(t.param_dtype);
  const size_t widest = std::max({weight, element_size(t.grad_dtype), moment});
  // Random bits come for whole packs.
  const bool random = stochastic_params || t.moment_dtype == Dtype::kBFloat16;
  return alignment_shift(streams, adam_pack(widest), /*shiftable=*/!random);
}

AdamRow row_of(const AdamTensors& t, int64_t shift, int64_t layout) {
  const auto small = [](auto e) { return static_cast<int16_t>(e); };
  return {t.param,
          t.exp_avg,
          t.exp_avg_sq,
          t.max_exp_avg_sq,
          t.master,
          t.mask,
          t.step,
          t.numel,
          layout,
          t.stream,
          static_cast<int32_t>(shift),
          small(t.param_dtype),
          small(t.grad_dtype),
          small(t.moment_dtype),
          small(t.kind)};
}

struct PrepareParams {
  const AdamRow* rows;
  AdamRowStep* row_steps;
  int64_t count;
  AdamHyper hyper;
  const float* lr_float;
  const double* lr_double;
  const float* inv_scale;
  const float* found_inf;
  const float* clip;
};

constexpr int kPrepareThreads = 1024;

// Reads the step counters and makes every row's coefficients; then moves the counters on, which
// rows may share.
__global__ void __launch_bounds__(kPrepareThreads) adam_step_prepare_kernel(const PrepareParams p) {
  if (p.found_inf != nullptr && *p.found_inf != 0.0f) return;
  AdamHyper hyper = p.hyper;
  if (p.lr_float) hyper.lr = *p.lr_float;
  if (p.lr_double) hyper.lr = *p.lr_double;
  const float inv_scale = p.inv_scale ? *p.inv_scale : 1.0f;
  const float clip = p.clip ? *p.clip : 1.0f;
  for (int64_t i = threadIdx.x; i < p.count; i += kPrepareThreads) {
    const uint32_t step = static_cast<uint32_t>(*p.rows[i].step) + 1;
    p.row_steps[i] = {
        adam_coefficients(hyper, step, inv_scale, clip, [](double x) { return ::sqrt(x); }), step};
  }
  __syncthreads();
  for (int64_t i = threadIdx.x; i < p.count; i += kPrepareThreads) {
    atomicExch(p.rows[i].step, static_cast<float>(p.row_steps[i].step));
  }
}

}  // namespace

TensorTable adam_step_table(const AdamStepParams& params) {
  TensorTable table;
  std::vector<int64_t> shifts;
  std::vector<int32_t> kernels;
  shifts.reserve(params.count);
  kernels.reserve(params.count);
  for (int64_t i = 0; i < params.count; ++i) {
    shifts.push_back(shift_of(params.tensors[i], params.stochastic_params));
    kernels.push_back(kernel_of(params.tensors[i], shifts.back()));
  }
  const std::vector<int64_t> order = order_of(kernels);

  std::vector<AdamRow> rows;
  std::vector<const void*> grads;
  rows.reserve(params.count);
  grads.reserve(params.count);
  for (const int64_t i : order) {
    const AdamTensors& t = params.tensors[i];
    rows.push_back(row_of(t, shifts[i], table.append(t.layout)));
    grads.push_back(t.grad);
  }
  table.rows = table.append(rows.data(), rows.size());

  std::vector<int64_t> tiles;
  for (size_t first = 0, i = 0; first < rows.size(); first = i) {
    const int32_t kernel = kernels[order[first]];
    tiles.clear();
    for (; i < rows.size() && kernels[order[i]] == kernel; ++i) {
      tiles.push_back(tiles_of(rows[i].numel, rows[i].shift, kAdamTile));
    }
    table.append_group(kernel, static_cast<int64_t>(first), tiles);
  }
  table.grads = table.append(grads.data(), grads.size());
  return table;
}

size_t adam_step_scratch_bytes(const AdamStepParams& params) {
  return static_cast<size_t>(params.count) * sizeof(AdamRowStep);
}

CudaStatus adam_step_cuda(const AdamStepParams& params, const TensorTable& table,
                          const CudaLaunch& launch) {
  if (params.count == 0) return cudaSuccess;
  const auto* rows = reinterpret_cast<const AdamRow*>(launch.table + table.rows);
  auto* row_steps = static_cast<AdamRowStep*>(launch.scratch);
  adam_step_prepare_kernel<<<1, kPrepareThreads, 0, launch.stream>>>(
      {rows, row_steps, params.count, params.hyper, params.lr_float, params.lr_double,
       params.inv_scale, params.found_inf, params.clip});
  cudaError_t status = cudaGetLastError();
  for (const TensorTable::Group& group : table.groups) {
    if (status != cudaSuccess) return status;
    status = launch_of(group.kernel)(
        group.tiles, launch.stream,
        {view_of<AdamRow>(table, group, launch.table), row_steps + group.first, params.found_inf,
         params.stochastic_params, params.seed});
  }
  return status;
}

}  // namespace halfword
