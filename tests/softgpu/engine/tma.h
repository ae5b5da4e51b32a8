// Bulk asynchronous copies (cp.async.bulk and cp.async.bulk.tensor) between global and shared
// memory, done by the async proxy.
//
// Copies into shared memory complete on an mbarrier, copies out of it in the thread's bulk groups.
// A copy runs at its issue or as late as somebody's wait allows, as settings.landing says: a load
// when nobody else can run, a store's reading of shared memory in wait_group.read.
#pragma once

#include <cstdint>

#include "engine/element.h"
#include "engine/site.h"

namespace softgpu {

struct Thread;

enum class BulkOp : uint8_t { kAdd, kMin, kMax, kInc, kDec, kAnd, kOr, kXor };

struct Multicast {
  bool on = false;
  uint16_t blocks = 0;  // bit r: the block of rank r in the cluster
};

// A tensor map's generic address and the box's first element; coordinate[0] is the innermost.
struct TensorBox {
  uint64_t map;
  uint32_t rank;
  int32_t coordinate[5];
};

// cp.async.bulk.tensor.Nd.shared::{cluster,cta}.global.tile.mbarrier::complete_tx::bytes
void tensor_load(Thread& self, uint32_t to, const TensorBox& from, uint32_t mbarrier,
                 Multicast multicast, Site at);
// cp.async.bulk.tensor.Nd.global.shared::cta.tile.bulk_group
void tensor_store(Thread& self, const TensorBox& to, uint32_t from, Site at);
// cp.reduce.async.bulk.tensor.Nd.global.shared::cta.{op}.tile.bulk_group
void tensor_reduce(Thread& self, BulkOp op, const TensorBox& to, uint32_t from, Site at);
// cp.async.bulk.prefetch.tensor: checks its operands
void tensor_prefetch(Thread& self, const TensorBox& from, Site at);
// prefetch.tensormap: checks the address
void tensormap_prefetch(Thread& self, uint64_t map, Site at);

// cp.async.bulk.shared::{cluster,cta}.global.mbarrier::complete_tx::bytes
void bulk_load(Thread& self, uint32_t to, uint64_t from, uint32_t bytes, uint32_t mbarrier,
               Multicast multicast, Site at);
// cp.async.bulk.global.shared::cta.bulk_group
void bulk_store(Thread& self, uint64_t to, uint32_t from, uint32_t bytes, Site at);
// cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes
void bulk_copy(Thread& self, uint32_t to, uint32_t from, uint32_t bytes, uint32_t mbarrier,
               Site at);
// cp.reduce.async.bulk.global.shared::cta.bulk_group.{op}.{element}; kB32 and kB64 for and, or, xor
void bulk_reduce(Thread& self, BulkOp op, Element element, uint64_t to, uint32_t from,
                 uint32_t bytes, Site at);
// cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes.{op}.{element}
void bulk_reduce_cluster(Thread& self, BulkOp op, Element element, uint32_t to, uint32_t from,
                         uint32_t bytes, uint32_t mbarrier, Site at);
// cp.async.bulk.prefetch.L2.global: checks its operands
void bulk_prefetch(Thread& self, uint64_t from, uint32_t bytes, Site at);
// st.async.weak.shared::cluster.mbarrier::complete_tx::bytes{.v2,.v4}
void store_async(Thread& self, uint32_t to, const void* value, uint32_t bytes, uint32_t mbarrier,
                 Site at);

void bulk_commit_group(Thread& self, Site at);
void bulk_wait_group(Thread& self, uint32_t groups_left, bool read_only, Site at);

// fence.proxy.async{.global,.shared::{cta,cluster}}
void fence_proxy_async(Thread& self, Site at);

}  // namespace softgpu
