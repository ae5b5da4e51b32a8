// wgmma: asynchronous matrix products of a warpgroup (four warps) on shared memory.
//
// From issue until wgmma.wait_group the accumulators hold garbage. Shared memory and A registers
// are read at issue or in that wait, as settings.landing says; until then the race checker holds
// them as being read. A wait orders memory within each warp only.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "engine/element.h"
#include "engine/site.h"

namespace softgpu {

struct Thread;

// wgmma.mma_async.sync.aligned.m64n{n}k{32 bytes}.{c}.{a}.{b}
struct WgmmaForm {
  uint16_t n;
  Element a;
  Element b;
  Element c;  // of the accumulators: kS32, kF16 or kF32
  bool saturate = false;
  bool negate_a = false;     // imm-scale-a is -1
  bool negate_b = false;     // imm-scale-b is -1
  bool transpose_a = false;  // imm-trans-a: A is M-major in shared memory
  bool transpose_b = false;  // imm-trans-b: B is N-major
};

struct WgmmaOperands {
  void* const* accumulators;       // addresses of the thread's 32-bit registers, in order
  const void* const* a_registers;  // likewise of its four A registers, or null
  uint64_t a_descriptor;           // when a_registers is null
  uint64_t b_descriptor;
  bool scale_d;  // false: D = A * B
};

// Registers must stay at these addresses until the wait.
void wgmma(Thread& self, const WgmmaForm& form, const WgmmaOperands& operands, Site at);
void wgmma_fence(Thread& self, Site at);
void wgmma_commit_group(Thread& self, Site at);
void wgmma_wait_group(Thread& self, uint32_t groups_left, Site at);

// When a thread exits: products of its warpgroup in flight are an error.
void check_no_wgmma_in_flight(Thread& self);

// What a warpgroup has in flight.
struct WgmmaProduct;
struct WgmmaAccumulators;

struct WarpGroup {
  std::vector<std::shared_ptr<WgmmaProduct>> open;
  std::deque<std::vector<std::shared_ptr<WgmmaProduct>>> groups;
  // By the address of thread 0's first register.
  std::map<const void*, std::shared_ptr<WgmmaAccumulators>> accumulators;

  // For meet_in_warp_group: who has arrived.
  uint32_t arrived = 0;
  Thread* threads[128] = {};
  void* arguments[128] = {};
  const char* instruction = nullptr;
  Site at{};
};

}  // namespace softgpu
