// Tensor copies by TMA: one box between a tensor and shared memory.
#include "conformance/buffers.cuh"
#include "kernels/ptx.cuh"
#include "kernels/tensor_maps.h"

namespace {

constexpr int kThreads = 32;

enum Direction { kLoad, kStore, kAdd, kMin, kMax, kInc, kDec, kAnd, kOr, kXor };

struct Box {
  int coordinate[5];
  int bytes;
};

#define COORDINATES_1 "r"(c[0])
#define COORDINATES_2 COORDINATES_1, "r"(c[1])
#define COORDINATES_3 COORDINATES_2, "r"(c[2])
#define COORDINATES_4 COORDINATES_3, "r"(c[3])
#define COORDINATES_5 COORDINATES_4, "r"(c[4])

template <int kRank>
__device__ void load(uint32_t to, const CUtensorMap* map, const int (&c)[5], uint32_t barrier);
template <int kRank>
__device__ void store(const CUtensorMap* map, const int (&c)[5], uint32_t from);

#define RANK(rank, listed, inputs)                                                                \
  template <>                                                                                     \
  __device__ void load<rank>(uint32_t to, const CUtensorMap* map, const int (&c)[5],              \
                             uint32_t barrier) {                                                  \
    asm volatile("cp.async.bulk.tensor." #rank                                                    \
                 "d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {" listed \
                 "}], [%2];" ::"r"(to),                                                           \
                 "l"(map), "r"(barrier), inputs                                                   \
                 : "memory");                                                                     \
  }                                                                                               \
  template <>                                                                                     \
  __device__ void store<rank>(const CUtensorMap* map, const int (&c)[5], uint32_t from) {         \
    asm volatile("cp.async.bulk.tensor." #rank                                                    \
                 "d.global.shared::cta.tile.bulk_group [%1, {" listed "}], [%0];" ::"r"(from),    \
                 "l"(map), "r"(0), inputs                                                         \
                 : "memory");                                                                     \
  }
RANK(1, "%3", COORDINATES_1)
RANK(2, "%3, %4", COORDINATES_2)
RANK(3, "%3, %4, %5", COORDINATES_3)
RANK(4, "%3, %4, %5, %6", COORDINATES_4)
RANK(5, "%3, %4, %5, %6, %7", COORDINATES_5)

#define REDUCE(direction, op)                                            \
  case direction:                                                        \
    asm volatile("cp.reduce.async.bulk.tensor.2d.global.shared::cta." op \
                 ".tile.bulk_group [%0, {%1, %2}], [%3];" ::"l"(map),    \
                 "r"(c[0]), "r"(c[1]), "r"(from)                         \
                 : "memory");                                            \
    break;

__device__ void reduce(int direction, const CUtensorMap* map, const int (&c)[5], uint32_t from) {
  switch (direction) {
    REDUCE(kAdd, "add")
    REDUCE(kMin, "min")
    REDUCE(kMax, "max")
    REDUCE(kInc, "inc")
    REDUCE(kDec, "dec")
    REDUCE(kAnd, "and")
    REDUCE(kOr, "or")
    REDUCE(kXor, "xor")
  }
}

template <int kRank>
__global__ void tensor_kernel(const __grid_constant__ CUtensorMap map, Box box, int direction,
                              uint32_t* image) {
  extern __shared__ __align__(1024) uint32_t memory[];
  __shared__ uint64_t barrier;
  const uint32_t at = ptx::shared_address(memory), full = ptx::shared_address(&barrier);
  const int words = box.bytes / 4;
  if (direction == kLoad) {
    if (threadIdx.x == 0) {
      ptx::mbarrier_init(full, 1);
      ptx::fence_mbarrier_init();
      ptx::mbarrier_arrive_expect_tx(full, box.bytes);
      load<kRank>(at, &map, box.coordinate, full);
    }
    __syncthreads();
    ptx::mbarrier_wait_parity(full, 0);
    for (int i = threadIdx.x; i < words; i += kThreads) image[i] = memory[i];
    return;
  }
  for (int i = threadIdx.x; i < words; i += kThreads) memory[i] = image[i];
  ptx::fence_proxy_async();
  __syncthreads();
  if (threadIdx.x != 0) return;
  if (direction == kStore) {
    store<kRank>(&map, box.coordinate, at);
  } else {
    reduce(direction, &map, box.coordinate, at);
  }
  ptx::bulk_commit();
  ptx::bulk_wait<0>();
}

using Kernel = void (*)(CUtensorMap, Box, int, uint32_t*);
const Kernel kKernels[] = {tensor_kernel<1>, tensor_kernel<2>, tensor_kernel<3>, tensor_kernel<4>,
                           tensor_kernel<5>};

// Each block of a cluster of four loads a quarter and gives it to the blocks of the mask.
__global__ void __cluster_dims__(4, 1, 1)
    multicast_kernel(const __grid_constant__ CUtensorMap map, int quarter, uint16_t blocks,
                     uint32_t* images) {
  extern __shared__ __align__(1024) uint32_t memory[];
  __shared__ uint64_t barrier;
  const uint32_t full = ptx::shared_address(&barrier), rank = ptx::cluster_rank();
  const int words = quarter;  // quarter is in bytes, and there are four
  for (int i = threadIdx.x; i < words; i += kThreads) memory[i] = 0;
  ptx::fence_proxy_async();
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(full, 1);
    ptx::fence_mbarrier_init();
    const bool receives = blocks >> rank & 1;
    ptx::mbarrier_arrive_expect_tx(full, receives ? 4 * quarter : 0);
  }
  ptx::cluster_sync();
  if (threadIdx.x == 0) {
    ptx::tensor_load_2d_multicast(ptx::shared_address(memory) + rank * quarter, &map, 0,
                                  static_cast<int>(rank), full, blocks);
  }
  ptx::mbarrier_wait_parity(full, 0);
  for (int i = threadIdx.x; i < words; i += kThreads) images[rank * words + i] = memory[i];
  ptx::cluster_sync();
}

}  // namespace

// tensor: of `bytes`, with this shape. image: the box in shared memory. Loads write the image,
// stores and reductions (2d only) the tensor. Returns a cudaError_t, or -1 for a bad shape.
CONFORMANCE_API int run_tensor_copy(int direction, char* tensor, int64_t bytes,
                                    const TensorMapShape* shape, const int* coordinate,
                                    uint32_t* image, int image_bytes) {
  conformance::Buffer<char> memory(tensor, bytes);
  conformance::Buffer<uint32_t> shared(image, image_bytes / 4);
  CUtensorMap map;
  if (make_tensor_map(&map, memory.device(), *shape) != CUDA_SUCCESS) return -1;
  Box box{};
  for (uint32_t d = 0; d < shape->rank; ++d) box.coordinate[d] = coordinate[d];
  box.bytes = image_bytes;
  const Kernel kernel = kKernels[shape->rank - 1];
  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, image_bytes);
  kernel<<<1, kThreads, image_bytes>>>(map, box, direction, shared.device());
  const int status = conformance::finish();
  memory.copy_back();
  shared.copy_back();
  return status;
}

// tensor: [4][quarter] bytes; images: [4 blocks][4 * quarter].
CONFORMANCE_API int run_multicast(char* tensor, int quarter, int blocks, uint32_t* images) {
  conformance::Buffer<char> memory(tensor, size_t(4 * quarter));
  conformance::Buffer<uint32_t> out(images, size_t(4 * quarter));
  TensorMapShape shape{};
  shape.type = CU_TENSOR_MAP_DATA_TYPE_UINT8;
  shape.rank = 2;
  shape.size[0] = quarter;
  shape.size[1] = 4;
  shape.stride[0] = quarter;
  shape.box[0] = quarter;
  shape.box[1] = 1;
  CUtensorMap map;
  if (make_tensor_map(&map, memory.device(), shape) != CUDA_SUCCESS) return -1;
  multicast_kernel<<<4, kThreads, 4 * quarter>>>(map, quarter, static_cast<uint16_t>(blocks),
                                                 out.device());
  const int status = conformance::finish();
  out.copy_back();
  return status;
}

// The CUresult of a shape, for a tensor whose address is `offset` above a multiple of 4096.
CONFORMANCE_API int run_encode(const TensorMapShape* shape, int64_t offset) {
  alignas(64) CUtensorMap map;
  return make_tensor_map(&map, reinterpret_cast<const void*>(0x10000000 + offset), *shape);
}
