// A GEMM on CUDA: the rows of a quantized where they are real numbers, operands brought to aligned
// rows where they are not, sums of b's rows where a zero point needs them, the kernel of the plan's
// tile, and before it counters set to 0, if blocks share tiles.
#include "ops/gemm_int8.h"

#include <cuda_runtime_api.h>

#include "core/host_device.h"
#include "cuda/gemm_int8_launch.h"
#include "cuda/gemm_int8_plan.h"
#include "cuda/multiprocessors.h"
#include "cuda/pack_int8.h"
#include "cuda/quantized_rows.h"
#include "cuda/scratch_memory.h"

namespace halfword {
namespace {

constexpr int64_t kNarrowSumK = int64_t{1} << 24;  // 2^24 * 128 = 2^31: b_sums wrap beyond

// int32 results have no sum that a 32-bit one could not take; others are cut.
int64_t longest_sum(const GemmInt8Params& p) {
  return p.out_type == GemmOut::kInt32 ? GemmInt8Params::kInt32K : GemmInt8Params::kExactK;
}

int64_t b_stride(const GemmInt8Params& p) {
  return p.b_layout == Int8Layout::kPitched ? pitch_of(p.k) : p.b_stride;
}

// A call as one whose a is codes: those of the rows of a real one, which are quantized first.
struct CodesCall {
  GemmInt8Params gemm;
  QuantizedRows rows;

  CodesCall(const GemmInt8Params& p, ScratchMemory& memory) : gemm(p) {
    if (!p.quantizes_a || p.k == 0) return;  // empty sums are 0 by any scale
    rows = QuantizedRows(p.a, p.a_stride, p.a_dtype, p.m, p.k, memory);
    gemm.a = rows.codes();
    gemm.a_stride = p.k;
    gemm.scale_a = {rows.scale(), 1};
  }
};

// Of the counters of shared tiles.
int64_t come_bytes(const GemmPlan& plan) {
  return plan.work.shared_tiles() * int64_t{sizeof(uint64_t)};
}

// What a call needs beside its tensors, in its scratch memory.
struct Scratch {
  int8_t* a;  // with aligned rows, or null: as it is
  int8_t* b;
  int64_t* sums;      // of b's rows, or null
  GemmShared shared;  // or null

  Scratch(const GemmInt8Params& p, const GemmPlan& plan, ScratchMemory& memory) {
    const auto take = [&](bool needed, int64_t bytes) {
      return needed ? memory.take(bytes) : nullptr;
    };
    const bool wants_sums = p.zero_point_a != nullptr && (p.b_sums == nullptr || p.k > kNarrowSumK);
    const bool is_shared = plan.work.sharers > 0;
    const int64_t pitch = pitch_of(p.k);
    a = static_cast<int8_t*>(take(!all_rows_at(p.a, p.a_stride, p.m, 16), p.m * pitch));
    b = static_cast<int8_t*>(take(!all_rows_at(p.b, b_stride(p), p.n, 16), p.n * pitch));
    sums = static_cast<int64_t*>(take(wants_sums, p.n * int64_t{sizeof(int64_t)}));
    const int64_t left = plan.shared_sums() * int64_t{sizeof(int32_t)};
    shared.sums = static_cast<int32_t*>(take(is_shared, left));
    shared.come = static_cast<uint64_t*>(take(is_shared, come_bytes(plan)));
  }
};

cudaError_t plan_call(const GemmInt8Params& p, GemmPlan* plan) {
  int processors = 0;
  const cudaError_t status = multiprocessors(&processors);
  if (status == cudaSuccess) *plan = plan_gemm(p.m, p.n, p.k, longest_sum(p), {processors});
  return status;
}

// Aligned copies of the operands, and the sums of b's rows.
cudaError_t prepare(const GemmInt8Params& p, const Scratch& scratch, cudaStream_t stream) {
  if (scratch.a != nullptr) {
    const PitchRows a{.from = static_cast<const int8_t*>(p.a),
                      .row_stride = p.a_stride,
                      .rows = p.m,
                      .k = p.k,
                      .to = reinterpret_cast<uint8_t*>(scratch.a),
                      .sums = nullptr,
                      .wide_sums = nullptr};
    const cudaError_t status = pitch_rows(a, stream);
    if (status != cudaSuccess) return status;
  }
  if (scratch.b == nullptr && scratch.sums == nullptr) return cudaSuccess;
  return pitch_rows({.from = p.b,
                     .row_stride = b_stride(p),
                     .rows = p.n,
                     .k = p.k,
                     .to = reinterpret_cast<uint8_t*>(scratch.b),
                     .sums = nullptr,
                     .wide_sums = scratch.sums},
                    stream);
}

cudaError_t launch_tile(int tile, const GemmKernelParams& params, cudaStream_t stream) {
  static_assert(kGemmTileCount == 5);
  switch (tile) {
    case 0: return launch_gemm<0>(params, stream);
    case 1: return launch_gemm<1>(params, stream);
    case 2: return launch_gemm<2>(params, stream);
    case 3: return launch_gemm<3>(params, stream);
    default: return launch_gemm<4>(params, stream);
  }
}

// The product of codes.
cudaError_t multiply(const GemmInt8Params& p, const GemmPlan& plan, const Scratch& scratch,
                     cudaStream_t stream) {
  cudaError_t status = prepare(p, scratch, stream);
  if (status != cudaSuccess) return status;
  if (plan.work.sharers > 0) {
    status = cudaMemsetAsync(scratch.shared.come, 0, come_bytes(plan), stream);
    if (status != cudaSuccess) return status;
  }
  const int64_t pitch = pitch_of(p.k);
  const auto* a = static_cast<const int8_t*>(p.a);
  const GemmKernelParams kernel{
      .finish = {.gemm = p, .sums = scratch.sums, .packs = packs_of(p)},
      .a = {scratch.a != nullptr ? scratch.a : a, scratch.a != nullptr ? pitch : p.a_stride, p.m},
      .b = {scratch.b != nullptr ? scratch.b : p.b, scratch.b != nullptr ? pitch : b_stride(p),
            p.n},
      .rows = plan.rows,
      .n_tiles = plan.n_tiles,
      .work = plan.work,
      .shared = scratch.shared};
  return launch_tile(plan.tile, kernel, stream);
}

}  // namespace

size_t gemm_int8_scratch_bytes(const GemmInt8Params& params) {
  GemmPlan plan;
  if (params.m == 0 || params.n == 0 || plan_call(params, &plan) != cudaSuccess) return 0;
  ScratchMemory memory(nullptr);
  const CodesCall call(params, memory);
  const Scratch scratch(call.gemm, plan, memory);
  return memory.taken();
}

CudaStatus gemm_int8_cuda(const GemmInt8Params& params, void* scratch_memory, CudaStream stream) {
  if (params.b_layout == Int8Layout::kPanels) return cudaErrorInvalidValue;
  if (params.m == 0 || params.n == 0) return cudaSuccess;
  GemmPlan plan;
  CudaStatus status = plan_call(params, &plan);
  if (status != cudaSuccess) return status;
  ScratchMemory memory(scratch_memory);
  const CodesCall call(params, memory);
  const Scratch scratch(call.gemm, plan, memory);
  status = call.rows.run(stream);
  if (status != cudaSuccess) return status;
  return multiply(call.gemm, plan, scratch, stream);
}

}  // namespace halfword

// The plan of a GEMM on a device of `processors`, for tests and for people: tile, height, m_tiles,
// n_tiles, whole tiles, blocks that share the others, and the modelled cycles.
extern "C" HALFWORD_EXPORT double halfword_gemm_int8_plan(int64_t m, int64_t n, int64_t k,
                                                          int32_t processors, int64_t* plan) {
  using halfword::GemmInt8Params;
  const halfword::GemmPlan p = halfword::plan_gemm(m, n, k, GemmInt8Params::kExactK, {processors});
  plan[0] = p.tile, plan[1] = p.rows.height(), plan[2] = p.rows.tiles, plan[3] = p.n_tiles;
  plan[4] = p.work.whole, plan[5] = p.work.sharers;
  return p.cycles;
}
