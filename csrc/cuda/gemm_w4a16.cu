// gemm_w4a16 on CUDA: activations brought to aligned rows of 16-bit numbers where they are not, and
// the kernel of the plan's tile.
#include "ops/gemm_w4a16.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>

#include "core/host_device.h"
#include "cuda/gemm_w4a16_launch.h"
#include "cuda/gemm_w4a16_plan.h"
#include "cuda/multiprocessors.h"
#include "cuda/pack_int8.h"
#include "cuda/scratch_memory.h"
#include "cuda/stream_k.h"

namespace halfword {
namespace {

constexpr int64_t kAccess = 16;              // bytes of a copy to shared memory
constexpr int64_t kMost = int64_t{1} << 30;  // rows and columns: kernels count in 32 bits

int terms_of(Dtype dtype) { return dtype == Dtype::kFloat32 ? 3 : 1; }

int64_t b_pitch(const Int4Matrix& b) { return int4_bytes(b.layout, 1, b.k); }

// What a device has that decides on a plan.
cudaError_t machine_of(GemmMachine* machine) {
  const cudaError_t status = multiprocessors(&machine->processors);
  return status != cudaSuccess ? status : shared_memory_of_block(&machine->block_bytes);
}

// The rows of a product, first to last, as launches have them.
struct Launch {
  int64_t first_m;
  GemmW4A16Plan plan;
  StreamK blocks;

  Launch(const GemmW4A16Params& p, const GemmMachine& machine, int64_t first)
      : first_m(first),
        plan(plan_gemm_w4a16(p.m - first, p.n, p.b.k, terms_of(p.a_dtype), machine)),
        blocks(gemm_w4a16_blocks(plan, p.b.k, machine.processors)) {}

  int64_t next_m() const { return first_m + plan.rows; }
  int64_t planes_bytes() const {
    return blocks.shared_tiles() * blocks.units * plan.shape().sums_bytes();
  }
  int64_t come_bytes() const { return blocks.shared_tiles() * int64_t{sizeof(uint64_t)}; }
};

// What a call needs beside its tensors, in its scratch memory.
struct Scratch {
  int64_t a_pitch;
  uint8_t* a = nullptr;  // with aligned rows, or as terms; null: as it is
  uint8_t* b = nullptr;  // at an aligned place; null: as it is
  float* planes;         // of the launch that runs, as come
  uint64_t* come;

  Scratch(const GemmW4A16Params& p, const GemmMachine& machine, ScratchMemory& memory)
      : a_pitch(pitch_of(2 * p.b.k)) {
    const int terms = terms_of(p.a_dtype);
    if (terms > 1 || !all_rows_at(p.a, 2 * p.a_stride, p.m, kAccess)) {
      a = static_cast<uint8_t*>(memory.take(terms * p.m * a_pitch));
    }
    if (!all_rows_at(p.b.data, 0, 1, kAccess)) {
      b = static_cast<uint8_t*>(memory.take(p.n * b_pitch(p.b)));
    }
    int64_t planes_bytes = 0, come_bytes = 0;
    for (int64_t first_m = 0; first_m < p.m;) {
      const Launch launch(p, machine, first_m);
      planes_bytes = std::max(planes_bytes, launch.planes_bytes());
      come_bytes = std::max(come_bytes, launch.come_bytes());
      first_m = launch.next_m();
    }
    planes = static_cast<float*>(memory.take(planes_bytes));
    come = static_cast<uint64_t*>(memory.take(come_bytes));
  }
};

// Aligned copies of the operands.
cudaError_t prepare(const GemmW4A16Params& p, const Scratch& scratch, cudaStream_t stream) {
  if (scratch.b != nullptr) {
    const int64_t size = p.n * b_pitch(p.b);
    const cudaError_t status =
        cudaMemcpyAsync(scratch.b, p.b.data, size, cudaMemcpyDeviceToDevice, stream);
    if (status != cudaSuccess) return status;
  }
  if (scratch.a == nullptr) return cudaSuccess;
  if (p.a_dtype == Dtype::kFloat32) {
    return launch_gemm_w4a16_terms({.from = static_cast<const float*>(p.a),
                                    .stride = p.a_stride,
                                    .m = p.m,
                                    .k = p.b.k,
                                    .to = scratch.a,
                                    .pitch = scratch.a_pitch,
                                    .term_stride = p.m * scratch.a_pitch},
                                   stream);
  }
  return pitch_rows({.from = static_cast<const int8_t*>(p.a),
                     .row_stride = 2 * p.a_stride,
                     .rows = p.m,
                     .k = 2 * p.b.k,
                     .to = scratch.a,
                     .sums = nullptr,
                     .wide_sums = nullptr},
                    stream);
}

// But for the tiles.
GemmW4A16KernelParams kernel_params(const GemmW4A16Params& p, const Scratch& scratch) {
  const int64_t k = p.b.k, slice = gemm_w4a16_slice(k);
  const bool is_copied = scratch.a != nullptr;
  GemmW4A16KernelParams kernel{
      .out = p,
      .packs = packs_of(p),
      .a = {.data = is_copied ? scratch.a : static_cast<const uint8_t*>(p.a),
            .pitch = is_copied ? scratch.a_pitch : 2 * p.a_stride,
            .term_stride = p.m * scratch.a_pitch},
      .b = p.b,
      .b_pitch = b_pitch(p.b),
      .groups = p.b.groups(),
      .group = static_cast<int>(std::min(k, p.b.group)),
      .slice = static_cast<int>(slice),
      .slices = static_cast<int>(gemm_w4a16_slices(k)),
      .planes = scratch.planes,
      .come = scratch.come};
  if (scratch.b != nullptr) kernel.b.data = scratch.b;
  return kernel;
}

// A tile for activations of one 16-bit number.
template <int kTile>
cudaError_t launch_one_term(Dtype dtype, const GemmW4A16KernelParams& params, cudaStream_t stream) {
  return dtype == Dtype::kFloat16 ? launch_gemm_w4a16<kTile, Float16Pairs>(params, stream)
                                  : launch_gemm_w4a16<kTile, BFloat16Pairs>(params, stream);
}

cudaError_t launch_tile(int tile, Dtype dtype, const GemmW4A16KernelParams& params,
                        cudaStream_t stream) {
  static_assert(kGemmW4A16TileCount == 7);
  switch (tile) {
    case 0: return launch_one_term<0>(dtype, params, stream);
    case 1: return launch_one_term<1>(dtype, params, stream);
    case 2: return launch_one_term<2>(dtype, params, stream);
    case 3: return launch_one_term<3>(dtype, params, stream);
    case 4: return launch_one_term<4>(dtype, params, stream);
    case 5: return launch_gemm_w4a16<5, BFloat16Pairs>(params, stream);
    default: return launch_gemm_w4a16<6, BFloat16Pairs>(params, stream);
  }
}

}  // namespace

size_t gemm_w4a16_scratch_bytes(const GemmW4A16Params& params) {
  GemmMachine machine{};
  if (params.m == 0 || params.n == 0 || machine_of(&machine) != cudaSuccess) return 0;
  ScratchMemory memory(nullptr);
  const Scratch scratch(params, machine, memory);
  return memory.taken();
}

CudaStatus gemm_w4a16_cuda(const GemmW4A16Params& params, void* begin, CudaStream stream) {
  if (params.b.layout != Int4Layout::kFragments16 ||
      std::max({params.m, params.n, params.b.k}) >= kMost) {
    return cudaErrorInvalidValue;
  }
  if (params.m == 0 || params.n == 0) return cudaSuccess;
  GemmMachine machine{};
  cudaError_t status = machine_of(&machine);
  if (status != cudaSuccess) return status;
  ScratchMemory memory(begin);
  const Scratch scratch(params, machine, memory);
  status = prepare(params, scratch, stream);

  GemmW4A16KernelParams kernel = kernel_params(params, scratch);
  for (int64_t first_m = 0; first_m < params.m && status == cudaSuccess;) {
    const Launch launch(params, machine, first_m);
    if (launch.plan.parts > 1) {
      status = cudaMemsetAsync(scratch.come, 0, launch.come_bytes(), stream);
      if (status != cudaSuccess) return status;
    }
    kernel.first_m = static_cast<int>(first_m);
    kernel.m_tiles = launch.plan.m_tiles, kernel.n_tiles = launch.plan.n_tiles;
    kernel.blocks = launch.blocks;
    kernel.parts = launch.plan.parts;
    status = launch_tile(launch.plan.tile, params.a_dtype, kernel, stream);
    first_m = launch.next_m();
  }
  return status;
}

}  // namespace halfword

// The plan of a product on a device of `processors`, for tests and for people: tile, rows, m_tiles,
// n_tiles, parts, and the modelled cycles.
extern "C" HALFWORD_EXPORT double halfword_gemm_w4a16_plan(int64_t m, int64_t n, int64_t k,
                                                           int32_t terms, int32_t processors,
                                                           int64_t* plan) {
  const halfword::GemmW4A16Plan p = halfword::plan_gemm_w4a16(m, n, k, terms, {processors});
  plan[0] = p.tile, plan[1] = p.rows, plan[2] = p.m_tiles, plan[3] = p.n_tiles;
  plan[4] = p.parts;
  return p.cycles;
}
