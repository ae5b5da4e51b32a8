#include "engine/barriers.h"

#include <cstring>

#include "engine/scheduler.h"

namespace softgpu {
namespace {

constexpr uint32_t kBarriers = 16;

struct Arrival {
  uint32_t id;
  uint32_t threads;
  bool aligned;
  bool predicate;
  bool waits;
};

bool same(Site a, Site b) {
  return a.line == b.line && (a.file == b.file || (a.file != nullptr && b.file != nullptr &&
                                                   std::strcmp(a.file, b.file) == 0));
}

size_t size_of(const BlockBarrier& barrier) {
  return barrier.waiting.size() + barrier.arrived.size();
}

bool is_complete(const Block& block, const BlockBarrier& barrier) {
  const size_t size = size_of(barrier);
  if (barrier.expected == 0) return size != 0 && size == block.live;
  return size + barrier.lacking == barrier.expected;
}

void check_operands(const Thread& self, const Arrival& arrival, Site at) {
  if (arrival.id >= kBarriers) fail(at, "barrier %u: a block has 16 barriers", arrival.id);
  if (arrival.threads % kWarp != 0) {
    fail(at, "barrier %u: the thread count %u is not a multiple of 32", arrival.id,
         arrival.threads);
  }
  const size_t warps = (self.block->threads.size() + kWarp - 1) / kWarp;
  if (arrival.threads > warps * kWarp) {
    fail(at, "barrier %u: the thread count %u is greater than the block", arrival.id,
         arrival.threads);
  }
}

// Arrivals at one barrier agree on its size. __syncthreads, all of the block at the aligned form of
// barrier 0, must be the same one for all; others may meet from different places.
void check_agreement(const BlockBarrier& barrier, const Arrival& arrival, Site at) {
  if (size_of(barrier) == 0) return;
  if (barrier.expected != arrival.threads) {
    fail(at, "barrier %u: the thread count %u here, %u at %s, %s", arrival.id, arrival.threads,
         barrier.expected, name_of(barrier.first_at).c_str(), name_of(*barrier.first).c_str());
  }
  if (arrival.id == 0 && arrival.threads == 0 && arrival.aligned && barrier.aligned &&
      !same(barrier.first_at, at)) {
    fail(at, "threads of a block meet in different __syncthreads: the other is at %s, %s",
         name_of(barrier.first_at).c_str(), name_of(*barrier.first).c_str());
  }
}

void complete(BlockBarrier& barrier) {
  barrier.last_size = static_cast<uint32_t>(size_of(barrier));
  std::vector<Thread*> waiting;
  waiting.swap(barrier.waiting);
  barrier.arrived.clear();
  barrier.lacking = 0;
  race::join(waiting.data(), static_cast<int>(waiting.size()), barrier.released);
  barrier.released = {};
  barrier.last_predicates = barrier.predicates;
  barrier.predicates = 0;
  progress();
  for (Thread* thread : waiting) wake(*thread);
}

BlockBarrier& arrive(Thread& self, const Arrival& arrival, Site at) {
  check_operands(self, arrival, at);
  BlockBarrier& barrier = self.block->barrier[arrival.id];
  check_agreement(barrier, arrival, at);
  if (size_of(barrier) == 0) {
    barrier.first = &self;
    barrier.first_at = at;
    barrier.expected = arrival.threads;
    barrier.aligned = arrival.aligned;
  }
  barrier.predicates += arrival.predicate ? 1 : 0;
  if (self.number + 1 == self.block->threads.size()) barrier.lacking = kWarp - 1 - self.lane;
  (arrival.waits ? barrier.waiting : barrier.arrived).push_back(&self);
  if (!arrival.waits) race::release(self, barrier.released);
  if (is_complete(*self.block, barrier)) {
    complete(barrier);
    if (arrival.waits && settings.schedule != Schedule::kFirstIn) reschedule();
  } else if (arrival.waits) {
    block_on(arrival.id == 0 ? "__syncthreads" : "bar.sync", at);
  }
  return barrier;
}

void complete_cluster(ClusterBarrier& barrier) {
  barrier.completed.merge(barrier.releasing);
  barrier.releasing = {};
  barrier.arrived = 0;
  ++barrier.phase;
  progress();
  std::vector<Thread*> waiting;
  waiting.swap(barrier.waiting);
  for (Thread* thread : waiting) wake(*thread);
}

}  // namespace

void block_sync(Thread& self, uint32_t id, uint32_t threads, bool aligned, Site at) {
  arrive(self, {id, threads, aligned, false, true}, at);
}

void block_arrive(Thread& self, uint32_t id, uint32_t threads, bool aligned, Site at) {
  if (threads == 0) fail(at, "bar.arrive: barrier %u needs a thread count", id);
  arrive(self, {id, threads, aligned, false, false}, at);
}

bool block_sync_or(Thread& self, uint32_t id, uint32_t threads, bool aligned, bool predicate,
                   Site at) {
  return arrive(self, {id, threads, aligned, predicate, true}, at).last_predicates != 0;
}

bool block_sync_and(Thread& self, uint32_t id, uint32_t threads, bool aligned, bool predicate,
                    Site at) {
  const BlockBarrier& barrier = arrive(self, {id, threads, aligned, predicate, true}, at);
  return barrier.last_predicates == barrier.last_size;
}

uint32_t block_sync_count(Thread& self, uint32_t id, uint32_t threads, bool aligned, bool predicate,
                          Site at) {
  return arrive(self, {id, threads, aligned, predicate, true}, at).last_predicates;
}

void cluster_arrive(Thread& self, bool orders_memory, Site at) {
  Cluster& cluster = *self.block->cluster;
  if (self.cluster_arrived) {
    fail(at, "barrier.cluster.arrive: a second arrival without a wait between");
  }
  self.cluster_arrived = true;
  self.cluster_phase = cluster.barrier.phase;
  ++cluster.barrier.arrived;
  if (orders_memory) race::release(self, cluster.barrier.releasing);
  if (cluster.barrier.arrived == cluster.live) complete_cluster(cluster.barrier);
}

void cluster_wait(Thread& self, Site at) {
  ClusterBarrier& barrier = self.block->cluster->barrier;
  if (!self.cluster_arrived) fail(at, "barrier.cluster.wait without an arrive before");
  self.cluster_arrived = false;
  if (barrier.phase == self.cluster_phase) {
    barrier.waiting.push_back(&self);
    block_on("barrier.cluster.wait", at);
  }
  race::acquire(self, barrier.completed);
}

uint64_t grid_workspace(Thread& self) {
  Grid& grid = *self.block->grid;
  return grid.shape.cooperative ? reinterpret_cast<uint64_t>(grid.workspace) : 0;
}

void leave_barriers(Thread& exited) {
  Block& block = *exited.block;
  for (BlockBarrier& barrier : block.barrier) {
    if (barrier.expected == 0 && is_complete(block, barrier)) complete(barrier);
  }
  Cluster& cluster = *block.cluster;
  if (cluster.live != 0 && cluster.barrier.arrived == cluster.live) {
    complete_cluster(cluster.barrier);
  }
}

}  // namespace softgpu
