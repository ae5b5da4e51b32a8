// A product with 4-bit weights on CUDA: the rows of a quantized where they are real numbers, what
// does not begin where 16 bytes may be read brought there, sums of a's rows where the weights have
// offsets, and the kernel of the plan's tile.
#include "ops/gemm_w4a8.h"

#include <cuda_runtime_api.h>

#include "core/host_device.h"
#include "cuda/gemm_w4a8_launch.h"
#include "cuda/gemm_w4a8_plan.h"
#include "cuda/multiprocessors.h"
#include "cuda/pack_int8.h"
#include "cuda/quantized_rows.h"
#include "cuda/scratch_memory.h"

namespace halfword {
namespace {

constexpr int64_t kAccess = 16;  // bytes

// Memory that is read 16 bytes at a time: as it is, or a copy.
struct Aligned {
  const void* data;
  const void* from = nullptr;  // of a copy
  int64_t bytes = 0;

  Aligned(const void* p, int64_t size, ScratchMemory& memory) : data(p) {
    if (reinterpret_cast<uintptr_t>(p) % kAccess == 0) return;
    data = memory.take(size);
    from = p;
    bytes = size;
  }
  cudaError_t copy(cudaStream_t stream) const {
    if (from == nullptr) return cudaSuccess;
    return cudaMemcpyAsync(const_cast<void*>(data), from, static_cast<size_t>(bytes),
                           cudaMemcpyDeviceToDevice, stream);
  }
};

int64_t table_bytes(const GemmW4A8Params& p, size_t element) {
  return p.b.groups() * p.n * static_cast<int64_t>(element);
}

// Codes of the rows of a, at aligned places.
struct Rows {
  GemmScale scale;
  GemmOperand codes;
  QuantizedRows quantized;
  PitchRows pitched{};

  Rows(const GemmW4A8Params& p, ScratchMemory& memory)
      : scale(p.scale_a), codes{static_cast<const int8_t*>(p.a), p.a_stride, p.m} {
    const int64_t k = p.b.k;
    if (!p.a_is_codes && k > 0) {  // empty sums are 0 by any scale
      quantized = QuantizedRows(p.a, p.a_stride, p.a_dtype, p.m, k, memory);
      codes = {quantized.codes(), k, p.m};
      scale = {quantized.scale(), 1};
    }
    if (all_rows_at(codes.data, codes.pitch, p.m, kAccess)) return;
    auto* to = static_cast<uint8_t*>(memory.take(p.m * pitch_of(k)));
    pitched = {codes.data, codes.pitch, p.m, k, to, /*sums=*/nullptr, /*wide_sums=*/nullptr};
    codes = {reinterpret_cast<const int8_t*>(to), pitch_of(k), p.m};
  }

  CudaStatus run(cudaStream_t stream) const {
    const CudaStatus status = quantized.run(stream);
    if (status != cudaSuccess || pitched.from == nullptr) return status;
    return pitch_rows(pitched, stream);
  }
};

// A call: what is done before the product, and with what it is launched.
struct Call {
  Rows rows;
  Aligned weights;
  Aligned scale;
  Aligned zero_point;
  Aligned offset;
  GemmParts parts;
  GemmASumsParams sums{};

  Call(const GemmW4A8Params& p, ScratchMemory& memory)
      : rows(p, memory),
        weights(p.b.data, int4_bytes(p.b.layout, p.n, p.b.k), memory),
        scale(p.b.scale, table_bytes(p, element_size(p.b.scale_dtype)), memory),
        zero_point(p.b.zero_point, table_bytes(p, 1), memory),
        offset(p.b.offset, table_bytes(p, element_size(p.b.scale_dtype)), memory) {
    const int64_t group = p.b.group < p.b.k ? p.b.group : p.b.k;
    parts = {static_cast<int>(divide_up(p.b.k, kInt4FragmentK)),
             static_cast<int>(divide_up(group, kInt4FragmentK))};
    if (p.b.offset == nullptr) return;
    const int64_t pitch = divide_up(p.m, 4) * 4;
    const int64_t bytes = parts.count() * pitch * int64_t{sizeof(float)};
    sums = {rows.codes, p.b.k, parts, static_cast<float*>(memory.take(bytes)), pitch};
  }

  CudaStatus prepare(cudaStream_t stream) const {
    const CudaStatus status = rows.run(stream);
    if (status != cudaSuccess) return status;
    for (const Aligned* memory : {&weights, &scale, &zero_point, &offset}) {
      const cudaError_t copied = memory->copy(stream);
      if (copied != cudaSuccess) return copied;
    }
    if (sums.sums == nullptr || parts.count() == 0) return cudaSuccess;
    return launch_gemm_w4a8_sums(sums, stream);
  }

  GemmW4A8KernelParams kernel(const GemmW4A8Params& p, const GemmW4A8Plan& plan) const {
    const auto size = static_cast<int>(element_size(p.b.scale_dtype));
    GemmW4A8KernelParams kernel{};
    kernel.output = p;
    kernel.output.scale_a = rows.scale;
    kernel.packs = packs_of(p);
    kernel.a = rows.codes;
    kernel.b = {static_cast<const int8_t*>(weights.data), parts.k32s * kAccess, p.n};
    kernel.k = p.b.k;
    kernel.parts = parts;
    kernel.short_parts = parts.group <= GemmParts::kShort;
    kernel.scale = {scale.data, p.b.groups(), p.n, size};
    kernel.zero_point = {zero_point.data, p.b.groups(), p.n, 1};
    kernel.offset = {offset.data, p.b.groups(), p.n, size};
    kernel.a_sums = {sums.sums, parts.count(), sums.pitch, sizeof(float)};
    kernel.scale_dtype = p.b.scale_dtype;
    kernel.m_tiles = plan.m_tiles;
    kernel.n_tiles = plan.n_tiles;
    kernel.steps = plan.steps;
    return kernel;
  }
};

cudaError_t launch_tile(int tile, const GemmW4A8KernelParams& params, cudaStream_t stream) {
  static_assert(kGemmW4A8TileCount == 3);
  switch (tile) {
    case 0: return launch_gemm_w4a8<0>(params, stream);
    case 1: return launch_gemm_w4a8<1>(params, stream);
    default: return launch_gemm_w4a8<2>(params, stream);
  }
}

}  // namespace

size_t gemm_w4a8_scratch_bytes(const GemmW4A8Params& params) {
  if (params.m == 0 || params.n == 0) return 0;
  ScratchMemory memory(nullptr);
  const Call call(params, memory);
  return memory.taken();
}

CudaStatus gemm_w4a8_cuda(const GemmW4A8Params& params, void* scratch, CudaStream stream) {
  if (params.b.layout != Int4Layout::kFragments8) return cudaErrorInvalidValue;
  if (params.m == 0 || params.n == 0) return cudaSuccess;
  int processors = 0;
  CudaStatus status = multiprocessors(&processors);
  if (status != cudaSuccess) return status;
  ScratchMemory memory(scratch);
  const Call call(params, memory);
  status = call.prepare(stream);
  if (status != cudaSuccess) return status;
  const GemmW4A8Plan plan =
      plan_gemm_w4a8(params.m, params.n, params.b.k, params.b.group, {processors});
  return launch_tile(plan.tile, call.kernel(params, plan), stream);
}

}  // namespace halfword

// The plan of a product on a device of `processors`, for tests and for people: tile, m_tiles,
// n_tiles, and the modelled cycles.
extern "C" HALFWORD_EXPORT double halfword_gemm_w4a8_plan(int64_t m, int64_t n, int64_t k,
                                                          int64_t group, int32_t processors,
                                                          int64_t* plan) {
  const halfword::GemmW4A8Plan p = halfword::plan_gemm_w4a8(m, n, k, group, {processors});
  plan[0] = p.tile, plan[1] = p.m_tiles, plan[2] = p.n_tiles;
  return p.cycles;
}
