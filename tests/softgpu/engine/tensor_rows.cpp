#include "engine/tensor_rows.h"

#include <algorithm>
#include <cstring>

#include "engine/memory.h"
#include "engine/swizzle.h"
#include "engine/thread.h"

namespace softgpu {
namespace {

constexpr uint32_t kChunk = 16;  // bytes that swizzles keep together
constexpr uint32_t kMapBytes = 128;

TensorMap read_map(Thread& self, const TensorBox& box, const char* instruction, Site at) {
  TensorMap map;
  const char* opaque = reach(self, {Space::kGeneric}, box.map, kMapBytes, 64, Use::kRead, at);
  if (const char* problem = decode_tensor_map(opaque, map)) {
    fail(at, "%s: the tensor map %s", instruction, problem);
  }
  if (map.rank != box.rank) {
    fail(at, "%s: the instruction is %ud, the tensor map has rank %u", instruction, box.rank,
         map.rank);
  }
  return map;
}

// The row whose outer coordinates are coordinate[1..] + index[1..].
TensorRow locate(const TensorMap& map, const TensorBox& box, const uint32_t* index) {
  uint64_t address = map.base;
  for (uint32_t d = 1; d < map.rank; ++d) {
    const int64_t x = int64_t{box.coordinate[d]} + index[d];
    if (x < 0 || x >= static_cast<int64_t>(map.size[d])) return {nullptr, 0, 0};
    address += static_cast<uint64_t>(x) * map.stride[d];
  }
  const int64_t first = box.coordinate[0];
  const int64_t low = std::clamp<int64_t>(-first, 0, map.box[0]);
  const int64_t high =
      std::clamp<int64_t>(static_cast<int64_t>(map.size[0]) - first, low, map.box[0]);
  if (low == high) return {nullptr, 0, 0};
  address += static_cast<uint64_t>(first + low) * map.element_bytes;
  return {reinterpret_cast<char*>(address), static_cast<uint32_t>(low) * map.element_bytes,
          static_cast<uint32_t>(high) * map.element_bytes};
}

bool advance(const TensorMap& map, uint32_t* index) {
  for (uint32_t d = 1; d < map.rank; ++d) {
    if (++index[d] < map.box[d]) return true;
    index[d] = 0;
  }
  return false;
}

void fill(const TensorMap& map, char* to, uint32_t bytes) {
  std::memset(to, 0, bytes);
  if (!map.fill_nan) return;
  // A quiet NaN with all its bits set but the sign.
  for (uint32_t i = 0; i < bytes; ++i) {
    to[i] = static_cast<char>((i + 1) % map.element_bytes == 0 ? 0x7f : 0xff);
  }
}

// f(place in the dense box, place in the arena) for each 16-byte chunk.
template <class F>
void for_each_chunk(const TensorRows& box, uint32_t offset, F f) {
  for (uint32_t i = 0; i < box.bytes(); i += kChunk) f(i, swizzled(box.map.swizzle, offset + i));
}

}  // namespace

TensorRows tensor_rows(Thread& self, const TensorBox& box, Use use, const char* instruction,
                       Site at) {
  TensorRows found;
  found.map = read_map(self, box, instruction, at);
  found.row_bytes = found.map.box[0] * found.map.element_bytes;
  const auto ordering = use == Use::kAtomic ? Ordering::kRelaxed : Ordering::kWeak;
  const Access how{Space::kGlobal, ordering};
  uint32_t index[5] = {};
  do {
    TensorRow row = locate(found.map, box, index);
    if (row.memory != nullptr) {
      reach(self, how, reinterpret_cast<uint64_t>(row.memory), row.end - row.begin, 1, use, at);
    }
    found.rows.push_back(row);
  } while (advance(found.map, index));
  return found;
}

void scatter_box(const TensorRows& box, const char* dense, char* arena, uint32_t offset) {
  for_each_chunk(box, offset, [&](uint32_t i, uint32_t place) {
    std::memcpy(arena + place, dense + i, kChunk);
  });
}

void gather_box(const TensorRows& box, const char* arena, uint32_t offset, char* dense) {
  for_each_chunk(box, offset, [&](uint32_t i, uint32_t place) {
    std::memcpy(dense + i, arena + place, kChunk);
  });
}

std::vector<char> read_box(const TensorRows& box) {
  std::vector<char> dense(box.bytes());
  char* to = dense.data();
  for (const TensorRow& row : box.rows) {
    if (row.end - row.begin != box.row_bytes) fill(box.map, to, box.row_bytes);
    if (row.memory != nullptr) std::memcpy(to + row.begin, row.memory, row.end - row.begin);
    to += box.row_bytes;
  }
  return dense;
}

}  // namespace softgpu
