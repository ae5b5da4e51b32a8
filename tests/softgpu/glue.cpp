// The product's binding for CUDA devices, compiled for tensors on the CPU: its ops, under the
// namespace halfword_softgpu, run the CUDA kernels on the software GPU. What csrc/binding/
// device_cuda.cpp asks of torch is asked of the stand-in runtime here. A kernel may touch the
// tensors of the call, each just as far as it reaches, and nothing else.
#include <cuda_runtime.h>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "binding/cuda_launch.h"
#include "binding/torch_abi.h"
#include "cudart/control.h"

namespace halfword::binding {
namespace {

char of_a_graph;          // the owner of memory that a graph uses
bool deferred = false;    // results are there after softgpu_finish_ops only
std::vector<void*> lent;  // to the device, until the work on them is done

void lend(const void* memory, int64_t elements, size_t element_size, const char* name) {
  if (memory == nullptr || elements == 0) return;
  void* const p = const_cast<void*>(memory);
  softgpu_lend(p, static_cast<uint64_t>(elements) * element_size, /*writable=*/1, name);
  lent.push_back(p);
}

// How many elements tensor `t` of the walk spans.
int64_t extent(int64_t numel, const Layout* layout, size_t t) {
  if (layout == nullptr || numel == 0) return numel;
  int64_t last = 0;
  for (size_t d = 0; d < layout->sizes.size(); ++d) {
    last += (layout->sizes[d] - 1) * layout->strides[t][d];
  }
  return last + 1;
}

// Rows of consecutive elements.
void lend_rows(const void* memory, int64_t rows, int64_t stride, int64_t columns,
               size_t element_size, const char* name) {
  if (rows > 0 && columns > 0) lend(memory, (rows - 1) * stride + columns, element_size, name);
}

void lend_matrix(const void* x, const Blocks& b, int64_t row_stride, Dtype dtype) {
  lend_rows(x, b.rows, row_stride, b.cols, element_size(dtype), "x");
}

void lend_all(const AbsmaxParams& p) {
  lend_matrix(p.x, p.blocks, p.row_stride, p.dtype);
  lend(p.absmax, p.blocks.count(), sizeof(float), "absmax");
}

void lend_all(const AccumulateGradsParams& p) {
  for (int64_t i = 0; i < p.count; ++i) {
    const AccumulateGradsTensors& t = p.tensors[i];
    lend(t.main, extent(t.numel, t.layout, 0), sizeof(float), "main_grads");
    lend(t.grad, extent(t.numel, t.layout, 1), element_size(t.dtype), "grads");
  }
}

void lend_all(const AdamStepParams& p) {
  for (int64_t i = 0; i < p.count; ++i) {
    const AdamTensors& t = p.tensors[i];
    const size_t moment = element_size(t.moment_dtype);
    const auto lend_stream = [&](const void* memory, size_t stream, size_t size, const char* name) {
      lend(memory, extent(t.numel, t.layout, stream), size, name);
    };
    lend_stream(t.param, 0, element_size(t.param_dtype), "params");
    lend_stream(t.grad, 1, element_size(t.grad_dtype), "grads");
    lend_stream(t.exp_avg, 2, moment, "exp_avgs");
    lend_stream(t.exp_avg_sq, 3, moment, "exp_avg_sqs");
    lend_stream(t.max_exp_avg_sq, 4, moment, "max_exp_avg_sqs");
    lend_stream(t.master, 5, t.kind == Master::kRemainder ? 2 : 4, "masters");
    lend_stream(t.mask, 6, 1, "masks");
    lend(t.step, 1, sizeof(float), "step");
  }
  lend(p.lr_float, 1, sizeof(float), "lr");
  lend(p.lr_double, 1, sizeof(double), "lr");
  lend(p.inv_scale, 1, sizeof(float), "inv_scale");
  lend(p.found_inf, 1, sizeof(float), "found_inf");
  lend(p.clip, 1, sizeof(float), "clip_coef");
}

void lend_all(const HadamardParams& p) {
  lend(p.x, p.count, element_size(p.dtype), "x");
  if (p.out != p.x) lend(p.out, p.count, element_size(p.dtype), "out");
}

void lend_all(const DequantizeParams& p) {
  const int64_t numel = p.blocks.rows * p.blocks.cols;
  lend(p.codes, numel, 1, "codes");
  lend(p.scale, p.blocks.count(), sizeof(float), "scale");
  lend(p.zero_point, p.blocks.count(), sizeof(int32_t), "zero_point");
  lend(p.out, numel, element_size(p.dtype), "out");
}

void lend_all(const FakeQuantizeBackwardParams& p) {
  const int64_t numel = p.blocks.rows * p.blocks.cols;
  lend(p.d_out, numel, element_size(p.dtype), "d_out");
  lend(p.x, numel, element_size(p.dtype), "x");
  lend(p.seed, 1, sizeof(int64_t), "seed");
  lend(p.scale, p.blocks.count(), sizeof(float), "scale");
  lend(p.zero_point, p.blocks.count(), sizeof(int32_t), "zero_point");
  lend(p.d_x, numel, element_size(p.dtype), "d_x");
  lend(p.d_scale, p.blocks.count(), sizeof(float), "d_scale");
  lend(p.d_zero_point, p.blocks.count(), sizeof(float), "d_zero_point");
}

void lend_all(const HistogramParams& p) {
  lend(p.x, p.numel, element_size(p.dtype), "x");
  lend(p.counts, p.bins, sizeof(int64_t), "counts");
}

void lend_all(const QuantizeDualParams& p) {
  const int64_t numel = p.blocks.rows * p.blocks.cols;
  lend_matrix(p.x, p.blocks, p.row_stride, p.dtype);
  lend(p.seed, 1, sizeof(int64_t), "seed");
  lend(p.scale, p.blocks.count(), sizeof(float), "scale");
  lend(p.zero_point, p.blocks.count(), sizeof(int32_t), "zero_point");
  lend(p.codes, numel, 1, "codes");
  lend(p.scale_t, p.blocks_t.count(), sizeof(float), "scale_t");
  lend(p.zero_point_t, p.blocks_t.count(), sizeof(int32_t), "zero_point_t");
  lend(p.codes_t, numel, 1, "codes_t");
}

void lend_all(const QuantizeParams& p) {
  lend_matrix(p.x, p.blocks, p.row_stride, p.dtype);
  lend(p.seed, 1, sizeof(int64_t), "seed");
  lend(p.given_scale, p.blocks.count(), sizeof(float), "given_scale");
  lend(p.given_zero_point, p.blocks.count(), sizeof(int32_t), "given_zero_point");
  lend(p.scale, p.blocks.count(), sizeof(float), "scale");
  lend(p.zero_point, p.blocks.count(), sizeof(int32_t), "zero_point");
  lend(p.codes, p.blocks.rows * p.blocks.cols, 1, "codes");
  lend(p.row_sums, p.blocks.rows, sizeof(int32_t), "row_sums");
}

void lend_row_codes(const RowCodes& out, int64_t rows, int64_t cols) {
  lend(out.given_scale, 1, sizeof(float), "scale");
  lend(out.scale, rows, sizeof(float), "new_scale");
  lend(out.codes, rows * cols, 1, "codes");
  lend(out.row_sums, rows, sizeof(int32_t), "row_sums");
}

void lend_all(const NormQuantizeParams& p) {
  lend_rows(p.x, p.rows, p.row_stride, p.cols, element_size(p.dtype), "x");
  lend(p.weight, p.cols, element_size(p.weight_dtype), "weight");
  lend(p.bias, p.cols, element_size(p.bias_dtype), "bias");
  lend_rows(p.residual, p.rows, p.residual_stride, p.cols, element_size(p.dtype), "residual");
  lend_row_codes(p.out, p.rows, p.cols);
  lend(p.sum, p.rows * p.cols, element_size(p.dtype), "sum");
}

void lend_all(const SiluMulQuantizeParams& p) {
  lend_rows(p.gate, p.rows, p.gate_stride, p.cols, element_size(p.dtype), "gate");
  lend_rows(p.up, p.rows, p.up_stride, p.cols, element_size(p.dtype), "up");
  lend_row_codes(p.out, p.rows, p.cols);
}

void lend_output(const GemmOutput& p) {
  lend_rows(p.scale_a.data, p.m, p.scale_a.stride, 1, sizeof(float), "scale_a");
  lend_rows(p.scale_b.data, p.n, p.scale_b.stride, 1, sizeof(float), "scale_b");
  lend(p.bias, p.n, element_size(p.bias_dtype), "bias");
  lend_rows(p.residual, p.m, p.residual_stride, p.n, element_size(p.residual_dtype), "residual");
  lend(p.scale_out, 1, sizeof(float), "scale_out");
  lend(p.zero_point_out, 1, sizeof(int32_t), "zero_point_out");
  lend_rows(p.out, p.m, p.out_stride, p.n, element_size(p.out_type), "out");
}

void lend_all(const GemmInt8Params& p) {
  const bool is_packed = p.b_layout == Int8Layout::kPitched;
  lend_rows(p.a, p.m, p.a_stride, p.k, p.quantizes_a ? element_size(p.a_dtype) : 1, "a");
  if (is_packed) lend(p.b, pitched_bytes(p.n, p.k), 1, "b");
  if (!is_packed) lend_rows(p.b, p.n, p.b_stride, p.k, 1, "b");
  lend(p.b_sums, p.n, sizeof(int32_t), "b_sums");
  lend_rows(p.zero_point_a, p.m, p.zero_point_stride, 1, sizeof(int32_t), "zero_point_a");
  lend_output(p);
}

void lend_weight(const Int4Matrix& b) {
  const int64_t groups = b.groups() * b.n;
  lend(b.data, int4_bytes(b.layout, b.n, b.k), 1, "b");
  lend(b.scale, groups, element_size(b.scale_dtype), "b_scale");
  lend(b.zero_point, groups, 1, "b_zero_point");
  lend(b.offset, groups, element_size(b.scale_dtype), "b_offset");
}

void lend_all(const GemmW4A8Params& p) {
  lend_rows(p.a, p.m, p.a_stride, p.b.k, p.a_is_codes ? 1 : element_size(p.a_dtype), "a");
  lend_weight(p.b);
  lend_output(p);
}

void lend_all(const GemmW4A16Params& p) {
  lend_rows(p.a, p.m, p.a_stride, p.b.k, element_size(p.a_dtype), "a");
  lend_weight(p.b);
  lend_output(p);
}

void lend_all(const PackInt4Params& p) {
  lend_rows(p.codes, p.n, p.row_stride, p.k, 1, "codes");
  lend(p.packed, int4_bytes(p.layout, p.n, p.k), 1, "packed");
}

void lend_all(const PackInt8Params& p) {
  lend_rows(p.b, p.n, p.row_stride, p.k, 1, "b");
  lend(p.packed, pitched_bytes(p.n, p.k), 1, "packed");
  lend(p.sums, p.n, sizeof(int32_t), "sums");
}

void lend_all(const FakeQuantizeParams& p) {
  lend_all(p.quantize);
  lend(p.out, p.quantize.blocks.rows * p.quantize.blocks.cols, element_size(p.quantize.dtype),
       "out");
}

void lend_all(const RequantizeParams& p) {
  const auto lend_columns = [&](const ColumnInt& ints, const char* name) {
    lend(ints.values, ints.each ? p.cols : 1, sizeof(int32_t), name);
  };
  lend(p.acc, p.rows * p.cols, sizeof(int32_t), "acc");
  lend_columns(p.multiplier, "multiplier");
  lend_columns(p.shift, "shift");
  lend(p.zero_point, 1, sizeof(int32_t), "zero_point");
  lend(p.codes, p.rows * p.cols, 1, "codes");
}

void lend_all(const UnpackInt4Params& p) {
  lend(p.packed, int4_bytes(p.layout, p.n, p.k), 1, "packed");
  lend(p.codes, p.n * p.k, 1, "codes");
}

void lend_all(const UnscaleCheckParams& p) {
  for (int64_t i = 0; i < p.count; ++i) {
    const UnscaleCheckTensor& t = p.tensors[i];
    lend(t.grad, extent(t.numel, t.layout, 0), element_size(t.dtype), "grads");
  }
  lend(p.inv_scale, 1, sizeof(float), "inv_scale");
  lend(p.found_inf, 1, sizeof(float), "found_inf");
  lend(p.norm, 1, sizeof(float), "norm");
}

void lend_all(const UpdateScaleParams& p) {
  lend(p.scale, 1, sizeof(float), "scale");
  lend(p.growth_tracker, 1, sizeof(int32_t), "growth_tracker");
  lend(p.found_inf, 1, sizeof(float), "found_inf");
  lend(p.hysteresis_tracker, 1, sizeof(int32_t), "hysteresis_tracker");
  lend(p.skipped, 1, sizeof(int64_t), "skipped");
}

cudaError_t finish() {
  const cudaError_t status = cudaDeviceSynchronize();
  for (void* memory : lent) softgpu_take_back(memory);
  lent.clear();
  return status;
}

int32_t current_device() {
  int device = 0;
  cudaGetDevice(&device);
  return device;
}

template <class Params>
void run_lent(const Params& params) {
  lend_all(params);
  try {
    run_on_cuda(params, current_device());
  } catch (...) {
    finish();
    throw;
  }
  if (!deferred && finish() != cudaSuccess) {
    throw std::runtime_error(std::string("softgpu: ") + softgpu_last_error());
  }
}

}  // namespace

const char* const kNamespace = "halfword_softgpu";
const char* const kDispatchKey = "CPU";
const bool kHostReadsTensors = false;
const Int8Layout kPackedLayout = Int8Layout::kPitched;
const int64_t kPlanNumberStep = -1;

int32_t device_type() { return aoti_torch_device_type_cpu(); }

#define HALFWORD_RUN(Params, stem) \
  void run(const Params& params, int32_t) { run_lent(params); }
HALFWORD_EVERY_OP(HALFWORD_RUN)
#undef HALFWORD_RUN

CudaStream current_stream(int32_t device) {
  return static_cast<CudaStream>(softgpu_current_stream(device));
}

DeviceMemory::DeviceMemory(size_t bytes, int32_t device) : owner_(current_stream(device)) {
  if (bytes > 0 && stream_is_capturing_cuda(static_cast<CudaStream>(owner_))) {
    // As torch's pool of a graph does: there for as long as it may be replayed, which is always.
    void* const memory = std::malloc(bytes);
    softgpu_lend(memory, bytes, /*writable=*/1, "memory of a graph");
    data_ = memory;
    owner_ = &of_a_graph;
    return;
  }
  if (bytes > 0 && cudaMallocAsync(&data_, bytes, static_cast<CudaStream>(owner_)) != cudaSuccess) {
    throw std::runtime_error("softgpu: out of memory");
  }
}

DeviceMemory::~DeviceMemory() {
  if (data_ != nullptr && owner_ != &of_a_graph)
    cudaFreeAsync(data_, static_cast<CudaStream>(owner_));
}

DeviceGuard::DeviceGuard(int32_t) {}  // the device that is current is the one that is meant
DeviceGuard::~DeviceGuard() {}

}  // namespace halfword::binding

extern "C" {

// Whether ops return before their work is done, as on a real device.
__attribute__((visibility("default"))) void softgpu_defer_ops(int on) {
  halfword::binding::deferred = on != 0;
}

// Waits for the work of all ops; a cudaError_t.
__attribute__((visibility("default"))) int softgpu_finish_ops() {
  return halfword::binding::finish();
}
}
