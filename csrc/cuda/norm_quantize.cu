// A block a row (cuda/row_codes.cuh). A thread's eight columns are lanes of the sum's tree, so that
// the first three of its folds are the thread's own.
#include "ops/norm_quantize.h"

#include "core/norm_math.h"
#include "cuda/row_codes.cuh"

namespace halfword {
namespace {

static_assert(NormQuantizeParams::kLanes == kRowStep);

// One element a column, as FP32.
struct VectorView {
  const void* data;
  Dtype dtype;
  bool aligned;

  __device__ __forceinline__ Floats<kEight> load(int64_t col, int count) const {
    if (dtype == Dtype::kFloat32) return convert<Float32>(col, count);
    if (dtype == Dtype::kBFloat16) return convert<BFloat16>(col, count);
    return convert<Float16>(col, count);
  }

 private:
  template <class Format>
  __device__ __forceinline__ Floats<kEight> convert(int64_t col, int count) const {
    const auto pack = load_some<typename Format::Word>(data, col, count, aligned);
    Floats<kEight> x;
#pragma unroll
    for (int e = 0; e < kEight; ++e) x.v[e] = Format::to_float(pack.get(e));
    return x;
  }
};

struct KernelParams {
  MatrixView x;
  MatrixView residual;  // of null: none
  void* sum;
  bool sum_aligned;
  VectorView weight;
  VectorView bias;  // of null: none
  int64_t rows;
  int64_t cols;
  float eps;
  NormKind kind;
  RowCodes out;
  bool codes_aligned;
};

// h = x + residual, rounded; written where `sum` is not null.
template <class Format>
__device__ __forceinline__ void add_residual(const KernelParams& p, int64_t row, int64_t begin,
                                             void* sum, const RowChunk& residual, RowChunk& h) {
#pragma unroll
  for (int j = 0; j < kHeld; ++j) {
    Pack<typename Format::Word, kEight> pack;
#pragma unroll
    for (int e = 0; e < kEight; ++e) {
      const auto word = Format::nearest(h[j].v[e] + residual[j].v[e]);
      h[j].v[e] = Format::to_float(word);
      pack.append(e, word);
    }
    const int count = eight_count(begin, j, p.cols);
    if (sum == nullptr || count <= 0) continue;
    store_some(sum, row * p.cols + eight_column(begin, j), count, p.sum_aligned, pack);
  }
}

__device__ __forceinline__ void load_sum(const KernelParams& p, int64_t row, int64_t begin,
                                         void* sum, RowChunk& h) {
  load_chunk(p.x, row, begin, p.cols, h);
  if (p.residual.x == nullptr) return;
  RowChunk residual;
  load_chunk(p.residual, row, begin, p.cols, residual);
  switch (p.x.dtype) {
    case Dtype::kFloat32: return add_residual<Float32>(p, row, begin, sum, residual, h);
    case Dtype::kBFloat16: return add_residual<BFloat16>(p, row, begin, sum, residual, h);
    case Dtype::kFloat16: return add_residual<Float16>(p, row, begin, sum, residual, h);
  }
}

__device__ __forceinline__ bool is_held(const KernelParams& p) { return p.cols <= kRowChunk; }

// The mean of h (order 1) or of the squares of its differences from the center (order 2). The first
// call for a row reads it and writes the sum.
__device__ __forceinline__ float moment_of_row(const KernelParams& p, int64_t row, int order,
                                               F32 center, BlockReducer& reducer, RowChunk& h) {
  const bool first = order == 1 || p.kind == NormKind::kRms;
  Floats<kEight> lanes{};
#pragma unroll 1
  for (int64_t begin = 0; begin < p.cols; begin += kRowChunk) {
    if (first || !is_held(p)) load_sum(p, row, begin, first ? p.sum : nullptr, h);
#pragma unroll
    for (int j = 0; j < kHeld; ++j) {
      const int count = eight_count(begin, j, p.cols);
#pragma unroll
      for (int e = 0; e < kEight; ++e) {
        const F32 x = select(e < count, h[j].v[e] - center, F32(0.0f));
        lanes.v[e] = order == 1 ? lanes.v[e] + x : fma(x, x, lanes.v[e]);
      }
    }
  }
  const F32 four[] = {lanes.v[0] + lanes.v[4], lanes.v[1] + lanes.v[5], lanes.v[2] + lanes.v[6],
                      lanes.v[3] + lanes.v[7]};
  const F32 eight = (four[0] + four[2]) + (four[1] + four[3]);
  return reducer.sum(eight.v) / static_cast<float>(p.cols);
}

// h becomes y; 0 where there are no elements.
__device__ __forceinline__ void normalize(const KernelParams& p, int64_t begin, F32 center,
                                          F32 inv_deviation, RowChunk& h) {
#pragma unroll
  for (int j = 0; j < kHeld; ++j) {
    const int count = eight_count(begin, j, p.cols);
    const int64_t col = eight_column(begin, j);
    const auto weight = p.weight.load(col, count);
    Floats<kEight>& y = h[j];
#pragma unroll
    for (int e = 0; e < kEight; ++e) {
      y.v[e] = normed(y.v[e], center, inv_deviation, weight.v[e]);
    }
    if (p.bias.data != nullptr) {
      const auto bias = p.bias.load(col, count);
#pragma unroll
      for (int e = 0; e < kEight; ++e) y.v[e] = y.v[e] + bias.v[e];
    }
#pragma unroll
    for (int e = 0; e < kEight; ++e) y.v[e] = select(e < count, y.v[e], F32(0.0f));
  }
}

__global__ void __launch_bounds__(kThreads, 1) norm_quantize_kernel(const KernelParams p) {
  __shared__ BlockReducer::Memory memory;
  BlockReducer reducer(memory);
  const bool layer = p.kind == NormKind::kLayer;
  RowChunk h;
  for (int64_t row = blockIdx.x; row < p.rows; row += gridDim.x) {
    F32 center(0.0f);  // minus 0 changes nothing
    float moment = 0.0f;
#pragma unroll 1
    for (int order = layer ? 1 : 2; order <= 2; ++order) {
      if (order == 2 && layer) center = F32(moment);
      moment = moment_of_row(p, row, order, center, reducer, h);
    }
    const F32 inv(inverse_deviation(sqrtf(moment + p.eps)));
    write_row_codes(p.out, p.codes_aligned, row, p.cols, reducer, h, [&](int64_t begin) {
      if (!is_held(p)) load_sum(p, row, begin, nullptr, h);
      normalize(p, begin, center, inv, h);
    });
  }
}

}  // namespace

CudaStatus norm_quantize_cuda(const NormQuantizeParams& params, CudaStream stream) {
  const int64_t rows = params.rows, cols = params.cols;
  const auto view = [&](const void* x, int64_t row_stride) {
    return view_rows(x, row_stride, params.dtype, rows, cols);
  };
  const KernelParams p{view(params.x, params.row_stride),
                       view(params.residual, params.residual_stride),
                       params.sum,
                       view(params.sum, cols).aligned,
                       {params.weight, params.weight_dtype, is_multiple(params.weight, 16)},
                       {params.bias, params.bias_dtype, is_multiple(params.bias, 16)},
                       rows,
                       cols,
                       params.eps,
                       params.kind,
                       params.out,
                       row_codes_aligned(params.out, rows, cols)};
  return launch_over_tiles<norm_quantize_kernel>(rows, stream, p);
}

}  // namespace halfword
