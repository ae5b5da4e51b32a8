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

struct AdamAlignment {
  int64_t shift;
  bool grad_aligned;
};

// A gradient often lies elsewhere than the rest, in a bucket of many: if it alone is not aligned,
// it is read element by element and nothing else changes.
AdamAlignment alignment_of(const AdamTensors& t, bool stochastic_params) {
  const size_t grad = element_size(t.grad_dtype);
  const size_t moment = element_size(t.moment_dtype);
  const size_t weight = t.kind == Master::kFloat32 ? 4 : element_size(t.param_dtype);
  const size_t pack = adam_pack(std::max({weight, grad, moment}));
  Stream streams[] = {{t.grad, grad},
                      {t.param, element_size(t.param_dtype)},
                      {t.exp_avg, moment},
                      {t.exp_avg_sq, moment},
                      {t.max_exp_avg_sq, moment},
                      {t.master, t.kind == Master::kRemainder ? size_t{2} : size_t{4}},
                      {t.mask, 1}};
  // Random bits come for whole packs.
  const bool shiftable = !stochastic_params && t.moment_dtype != Dtype::kBFloat16;
  const int64_t shift = alignment_shift(streams, pack, shiftable);
  if (shift != kUnaligned) return {shift, true};
  streams[0].memory = nullptr;
  return {alignment_shift(streams, pack, shiftable), false};
}

AdamRow row_of(const AdamTensors& t, const AdamAlignment& alignment, int64_t layout) {
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
          small(alignment.shift),
          small(alignment.grad_aligned),
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
  const auto row_step = [&](uint32_t step) {
    return AdamRowStep{
        adam_coefficients(hyper, step, inv_scale, clip, [](double x) { return ::sqrt(x); }), step};
  };
  const auto step_of = [&](int64_t i) { return static_cast<uint32_t>(*p.rows[i].step) + 1; };

  // Nearly always all counters are equal, and arithmetic in double is slow on small devices.
  __shared__ AdamRowStep first;
  if (threadIdx.x == 0) first = row_step(step_of(0));
  __syncthreads();
  for (int64_t i = threadIdx.x; i < p.count; i += kPrepareThreads) {
    const uint32_t step = step_of(i);
    p.row_steps[i] = step == first.step ? first : row_step(step);
  }
  __syncthreads();
  for (int64_t i = threadIdx.x; i < p.count; i += kPrepareThreads) {
    atomicExch(p.rows[i].step, static_cast<float>(p.row_steps[i].step));
  }
}

}  // namespace

void adam_step_table(const AdamStepParams& params, TensorTable* table) {
  std::vector<AdamAlignment> alignments;
  std::vector<int64_t> layouts, tiles;
  std::vector<int32_t> kernels;
  alignments.reserve(params.count);
  layouts.reserve(params.count);
  kernels.reserve(params.count);
  for (int64_t i = 0; i < params.count; ++i) {
    const AdamTensors& t = params.tensors[i];
    alignments.push_back(alignment_of(t, params.stochastic_params));
    layouts.push_back(table->append(t.layout));
    kernels.push_back(kernel_of(t, alignments.back().shift));
  }
  const std::vector<int64_t> order = order_of(kernels);

  table->rows = static_cast<int64_t>(table->words.size());
  for (const int64_t i : order) {
    const AdamRow row = row_of(params.tensors[i], alignments[i], layouts[i]);
    table->append(&row, 1);
  }
  for (size_t first = 0, i = 0; first < order.size(); first = i) {
    const int32_t kernel = kernels[order[first]];
    tiles.clear();
    for (; i < order.size() && kernels[order[i]] == kernel; ++i) {
      const int64_t shift = alignments[order[i]].shift;
      tiles.push_back(tiles_of(params.tensors[order[i]].numel, shift, kAdamTile));
    }
    table->append_group(kernel, static_cast<int64_t>(first), tiles);
  }
  table->grads = static_cast<int64_t>(table->words.size());
  for (const int64_t i : order) table->append(&params.tensors[i].grad, 1);
}

size_t adam_step_scratch_bytes(const AdamStepParams& params) {
  return static_cast<size_t>(params.count) * sizeof(AdamRowStep);
}

CudaStatus adam_step_cuda(const AdamStepParams& params, const TensorTable& table,
                          const CudaLaunch& launch) {
  if (params.count == 0) return cudaSuccess;
  const auto* rows = reinterpret_cast<const AdamRow*>(launch.table + table.rows);
  auto* row_steps = static_cast<AdamRowStep*>(launch.scratch);
  for (const TensorTable::Group& group : table.groups) {  // all or nothing
    const cudaError_t status = launch_of(group.kernel)(0, launch.stream, {});
    if (status != cudaSuccess) return status;
  }
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
