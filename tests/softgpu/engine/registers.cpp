#include "engine/registers.h"

#include <algorithm>

#include "engine/memory.h"
#include "engine/thread.h"

namespace softgpu {
namespace {

Dim3 divide(const Dim3& a, const Dim3& b) { return {a.x / b.x, a.y / b.y, a.z / b.z}; }
const LaunchShape& shape_of(const Thread& self) { return self.block->grid->shape; }

}  // namespace

Dim3 thread_index(Thread& self) { return self.index; }
Dim3 block_shape(Thread& self) { return shape_of(self).block; }
Dim3 block_index(Thread& self) { return self.block->index; }
Dim3 grid_shape(Thread& self) { return shape_of(self).grid; }
Dim3 cluster_index(Thread& self) { return self.block->cluster->index; }
Dim3 cluster_shape(Thread& self) { return shape_of(self).cluster; }
Dim3 cluster_count(Thread& self) { return divide(shape_of(self).grid, shape_of(self).cluster); }

Dim3 cluster_block_index(Thread& self) {
  const Dim3& block = self.block->index;
  const Dim3& cluster = shape_of(self).cluster;
  return {block.x % cluster.x, block.y % cluster.y, block.z % cluster.z};
}

uint32_t cluster_block_rank(Thread& self) { return self.block->rank; }
uint32_t cluster_block_count(Thread& self) {
  return static_cast<uint32_t>(shape_of(self).cluster.count());
}
uint32_t lane_index(Thread& self) { return self.lane; }
uint32_t warp_index(Thread& self) { return self.number / kWarp; }
uint32_t warp_count(Thread& self) { return static_cast<uint32_t>(self.block->warps.size()); }
uint32_t multiprocessor(Thread& self) {
  return self.block->number % static_cast<uint32_t>(std::max(1, settings.resident_blocks));
}
uint32_t dynamic_shared_bytes(Thread& self) { return shape_of(self).dynamic_shared; }
uint32_t total_shared_bytes(Thread& self) {
  return self.block->dynamic_offset + shape_of(self).dynamic_shared;
}

uint64_t clock_register(Thread&) {
  static uint64_t ticks = 0;
  return ++ticks;
}

void trap(Thread&, const char* what, Site at) { fail(at, "%s", what); }

void nanosleep(Thread&, Site at) { yield("nanosleep", at); }

}  // namespace softgpu
