#include "engine/tensor_map.h"

#include <cstddef>
#include <cstring>
#include <string>

namespace softgpu {
namespace {

// The opaque 128 bytes. CUTLASS clears bit 21 of the second 64-bit word, to work around a driver;
// nothing is kept in that word.
struct Encoded {
  uint64_t mark;
  uint64_t unused;
  uint64_t base;
  uint8_t rank;
  uint8_t type;
  uint8_t swizzle;
  uint8_t fill_nan;
  uint8_t box_less_1[5];
  uint8_t padding[7];
  uint32_t size_less_1[5];
  uint32_t stride_16[4];  // in units of 16 bytes: below 2^40
  uint64_t check;
};
constexpr uint32_t kMapBytes = 128;
constexpr uint64_t kMark = 0x70616d726f736e74ull;
static_assert(sizeof(Encoded) <= kMapBytes);

struct Type {
  Element element;
  bool is_float;
};
// By CUtensorMapDataType. The packed 4 and 6 bit types after these need sm_100.
constexpr Type kTypes[] = {
    {Element::kU8, false},  {Element::kB16, false}, {Element::kU32, false}, {Element::kS32, false},
    {Element::kU64, false}, {Element::kS64, false}, {Element::kF16, true},  {Element::kF32, true},
    {Element::kF64, true},  {Element::kBf16, true}, {Element::kF32, true},  {Element::kTf32, true},
    {Element::kTf32, true},
};
constexpr int kTypeCount = sizeof(kTypes) / sizeof(kTypes[0]);

constexpr int kSuccess = 0;  // CUDA_SUCCESS
constexpr int kInvalid = 1;  // CUDA_ERROR_INVALID_VALUE
constexpr uint64_t kMaxSize = uint64_t{1} << 32;
constexpr uint64_t kMaxStride = uint64_t{1} << 40;
constexpr uint32_t kMaxBox = 256;
constexpr uint32_t kMaxElementStride = 8;

thread_local std::string last_error;

uint64_t check_sum(const Encoded& map) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&map);
  uint64_t sum = 0;
  for (size_t i = 0; i < offsetof(Encoded, check); ++i) {
    const bool unused = i >= offsetof(Encoded, unused) && i < offsetof(Encoded, base);
    if (!unused) sum = sum * 31 + bytes[i];
  }
  return sum;
}

int refuse(const std::string& rule) {
  last_error = "cuTensorMapEncodeTiled: " + rule;
  return kInvalid;
}

std::string at(const char* name, uint32_t i) {
  return std::string(name) + "[" + std::to_string(i) + "]";
}

}  // namespace

uint32_t TensorMap::box_bytes() const {
  uint32_t bytes = element_bytes;
  for (uint32_t d = 0; d < rank; ++d) bytes *= box[d];
  return bytes;
}

const char* decode_tensor_map(const char* opaque, TensorMap& map) {
  if (reinterpret_cast<uintptr_t>(opaque) % 64 != 0) return "is not aligned to 64 bytes";
  Encoded encoded;
  std::memcpy(&encoded, opaque, sizeof encoded);
  if (encoded.mark != kMark || encoded.check != check_sum(encoded)) {
    return "was not made by cuTensorMapEncodeTiled, or was changed";
  }
  const Type type = kTypes[encoded.type];
  map.base = encoded.base;
  map.rank = encoded.rank;
  map.element = type.element;
  map.element_bytes = element_bits(type.element) / 8;
  map.swizzle = static_cast<Swizzle>(encoded.swizzle);
  map.fill_nan = encoded.fill_nan != 0;
  map.stride[0] = map.element_bytes;
  for (uint32_t d = 0; d < map.rank; ++d) {
    map.size[d] = uint64_t{encoded.size_less_1[d]} + 1;
    map.box[d] = encoded.box_less_1[d] + 1u;
    if (d > 0) map.stride[d] = uint64_t{encoded.stride_16[d - 1]} * 16;
  }
  return nullptr;
}

}  // namespace softgpu

using namespace softgpu;

namespace {

int check_dimensions(uint32_t rank, const uint64_t* size, const uint64_t* stride,
                     const uint32_t* box, const uint32_t* element_stride) {
  for (uint32_t d = 0; d < rank; ++d) {
    if (size[d] == 0 || size[d] > kMaxSize)
      return refuse(at("globalDim", d) + " must be in 1 .. 2^32");
    if (box[d] == 0 || box[d] > kMaxBox) return refuse(at("boxDim", d) + " must be in 1 .. 256");
    if (element_stride[d] == 0 || element_stride[d] > kMaxElementStride) {
      return refuse(at("elementStrides", d) + " must be in 1 .. 8");
    }
    if (element_stride[d] != 1)
      return refuse("element strides other than 1 are not supported here");
    if (d == 0) continue;
    if (stride[d - 1] % 16 != 0 || stride[d - 1] >= kMaxStride) {
      return refuse(at("globalStrides", d - 1) + " must be a multiple of 16 below 2^40");
    }
  }
  return kSuccess;
}

int check_layout(const void* map, int type, uint32_t rank, const void* base, const uint32_t* box,
                 int interleave, int swizzle, int l2_promotion, int fill) {
  if (reinterpret_cast<uintptr_t>(map) % 64 != 0)
    return refuse("tensorMap must be 64-byte aligned");
  if (type < 0 || type >= kTypeCount) return refuse("tensorDataType is not supported here");
  if (rank < 1 || rank > 5) return refuse("tensorRank must be in 1 .. 5");
  if (reinterpret_cast<uintptr_t>(base) % 16 != 0) {
    return refuse("globalAddress must be 16-byte aligned");
  }
  if (interleave != 0) return refuse("interleaved layouts are not supported here");
  if (swizzle < 0 || swizzle > 3) return refuse("this swizzle needs sm_100, or is none");
  if (l2_promotion < 0 || l2_promotion > 3) return refuse("l2Promotion is no such value");
  if (fill < 0 || fill > 1) return refuse("oobFill is no such value");
  if (fill == 1 && !kTypes[type].is_float) return refuse("oobFill NaN needs a floating-point type");
  const uint32_t inner = box[0] * element_bits(kTypes[type].element) / 8;
  if (inner % 16 != 0) return refuse("boxDim[0] must be a multiple of 16 bytes");
  if (swizzle != 0 && inner > 16u << swizzle) {
    return refuse("boxDim[0] must be at most the swizzle's " + std::to_string(16 << swizzle) +
                  " bytes");
  }
  return kSuccess;
}

}  // namespace

extern "C" const char* softgpu_tensor_map_error() { return last_error.c_str(); }

extern "C" int softgpu_cuTensorMapEncodeTiled(void* map, int type, uint32_t rank, void* base,
                                              const uint64_t* size, const uint64_t* stride,
                                              const uint32_t* box, const uint32_t* element_stride,
                                              int interleave, int swizzle, int l2_promotion,
                                              int out_of_bounds_fill) {
  int status = check_layout(map, type, rank, base, box, interleave, swizzle, l2_promotion,
                            out_of_bounds_fill);
  if (status == kSuccess) status = check_dimensions(rank, size, stride, box, element_stride);
  if (status != kSuccess) return status;
  Encoded encoded{};
  encoded.mark = kMark;
  encoded.base = reinterpret_cast<uintptr_t>(base);
  encoded.rank = static_cast<uint8_t>(rank);
  encoded.type = static_cast<uint8_t>(type);
  encoded.swizzle = static_cast<uint8_t>(swizzle);
  encoded.fill_nan = static_cast<uint8_t>(out_of_bounds_fill);
  for (uint32_t d = 0; d < rank; ++d) {
    encoded.size_less_1[d] = static_cast<uint32_t>(size[d] - 1);
    encoded.box_less_1[d] = static_cast<uint8_t>(box[d] - 1);
    if (d > 0) encoded.stride_16[d - 1] = static_cast<uint32_t>(stride[d - 1] / 16);
  }
  encoded.check = check_sum(encoded);
  std::memset(map, 0, kMapBytes);
  std::memcpy(map, &encoded, sizeof encoded);
  return kSuccess;
}
