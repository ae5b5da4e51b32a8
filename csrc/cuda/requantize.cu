// Four sums a thread, a grid's width apart; each thread keeps the column that it is in.
#include "ops/requantize.h"

#include <cuda_runtime.h>

#include "core/requantize_math.h"
#include "cuda/launch.cuh"
#include "cuda/ptx.cuh"

namespace halfword {
namespace {

constexpr int kPack = 4;
constexpr int64_t kTile = kThreads * kPack;

struct KernelParams {
  RequantizeParams op;
  int64_t numel;
  bool packed;  // sums and codes lie at multiples of a pack
};

__device__ __forceinline__ uint32_t code_at(const RequantizeParams& p, int32_t acc, int64_t col,
                                            int64_t zero_point) {
  const FixedPoint factor = fixed_point(p.multiplier.of(col), p.shift.of(col));
  const int64_t code = requantized(acc, factor, zero_point, p.lowest, p.highest);
  return static_cast<uint32_t>(code) & 0xffu;
}

__global__ void __launch_bounds__(kThreads) requantize_kernel(const KernelParams p) {
  const RequantizeParams& op = p.op;
  const int64_t zero_point = op.zero_point == nullptr ? 0 : *op.zero_point;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kTile;
  const int64_t step_cols = step % op.cols;
  int64_t i = blockIdx.x * kTile + threadIdx.x * kPack;
  int64_t col = i % op.cols;
  const auto next = [&](int64_t c) { return c + 1 == op.cols ? 0 : c + 1; };
  for (; i < p.numel; i += step) {
    int64_t c = col;
    if (p.packed && i + kPack <= p.numel) {
      const uint4 acc = ptx::load_global_v4(op.acc + i);
      uint32_t codes = code_at(op, static_cast<int32_t>(acc.x), c, zero_point);
      c = next(c);
      codes |= code_at(op, static_cast<int32_t>(acc.y), c, zero_point) << 8;
      c = next(c);
      codes |= code_at(op, static_cast<int32_t>(acc.z), c, zero_point) << 16;
      c = next(c);
      codes |= code_at(op, static_cast<int32_t>(acc.w), c, zero_point) << 24;
      *reinterpret_cast<uint32_t*>(op.codes + i) = codes;
    } else {
      for (int64_t e = i; e < i + kPack && e < p.numel; ++e, c = next(c)) {
        op.codes[e] = static_cast<int8_t>(code_at(op, op.acc[e], c, zero_point));
      }
    }
    col += step_cols;
    if (col >= op.cols) col -= op.cols;
  }
}

}  // namespace

CudaStatus requantize_cuda(const RequantizeParams& params, CudaStream stream) {
  const int64_t numel = params.rows * params.cols;
  const bool packed = reinterpret_cast<uintptr_t>(params.acc) % (kPack * sizeof(int32_t)) == 0 &&
                      reinterpret_cast<uintptr_t>(params.codes) % kPack == 0;
  const KernelParams p{params, numel, packed};
  return launch_over_tiles<requantize_kernel>((numel + kTile - 1) / kTile, stream, p);
}

}  // namespace halfword
