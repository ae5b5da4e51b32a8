// Who runs: a grid of clusters of blocks of warps of threads. Every CUDA thread is a fiber; all of
// them run on the one host thread that launched.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/async_copy.h"
#include "engine/barriers.h"
#include "engine/fiber.h"
#include "engine/kernel.h"
#include "engine/mbarrier.h"
#include "engine/race.h"
#include "engine/ready_queue.h"
#include "engine/settings.h"
#include "engine/site.h"
#include "engine/wgmma.h"

namespace softgpu {

struct Warp;
struct Block;
struct Cluster;
struct Grid;

constexpr uint32_t kWarp = 32;
constexpr uint32_t kWarpGroup = 128;
constexpr uint32_t kFullMask = 0xffffffffu;

struct Thread {
  Dim3 index;           // %tid
  uint32_t number = 0;  // in the block: x fastest
  uint32_t lane = 0;    // %laneid
  Warp* warp = nullptr;
  Block* block = nullptr;
  bool exited = false;
  bool blocked = false;             // and not in the queue of those that are ready
  const char* waits_for = nullptr;  // the instruction it is blocked or spins in, or null
  Site waits_at{};
  bool spins = false;
  uint32_t polls = 0;  // in a row, without a store between
  uint32_t priority = 0;

  Stack stack;
  void* stack_pointer = nullptr;

  // What subsystems keep for a thread.
  AsyncCopies async_copies;  // cp.async and bulk groups
  RaceState race;
  bool wgmma_fenced = false;
  uint64_t cluster_phase = 0;  // of the cluster's barrier when it arrived there
  bool cluster_arrived = false;
  std::vector<std::pair<char*, uint32_t>> locals;
};

// What the last lane to arrive computes for all.
using WarpFunction = void (*)(Warp& warp, uint32_t mask, void* const* arguments, Site at);

// Lanes that wait for one another in a warp-wide instruction.
struct Rendezvous {
  uint32_t mask = 0;
  uint32_t arrived = 0;
  WarpFunction together = nullptr;
  const char* name = nullptr;
  Site at{};
  void* arguments[kWarp] = {};
};

struct Warp {
  Thread* lane[kWarp] = {};
  uint32_t live = 0;    // lanes that have not exited
  uint32_t exited = 0;  // lanes that have
  std::vector<Rendezvous> meetings;
};

struct Block {
  Dim3 index;           // %ctaid
  uint32_t number = 0;  // in the grid: x fastest
  uint32_t rank = 0;    // %cluster_ctarank
  Cluster* cluster = nullptr;
  Grid* grid = nullptr;
  char* arena = nullptr;  // shared memory, kArenaBytes
  uint32_t dynamic_offset = 0;
  std::vector<uint32_t> variable_offset;  // of the kernel's shared variables
  std::vector<std::unique_ptr<Warp>> warps;
  std::vector<Thread*> threads;
  uint32_t live = 0;
  BlockBarrier barrier[16];
  std::map<uint32_t, MBarrier> mbarriers;  // by offset in the arena
  std::vector<WarpGroup> warp_groups;
  uint32_t copies_in_flight = 0;  // bulk copies into its shared memory
};

struct Cluster {
  Dim3 index;  // %clusterid
  std::vector<std::unique_ptr<Block>> blocks;
  ClusterBarrier barrier;
  uint32_t live = 0;  // threads
};

struct LaunchShape {
  Dim3 grid;
  Dim3 block;
  Dim3 cluster;
  uint32_t dynamic_shared = 0;
  bool cooperative = false;
};

struct Grid {
  LaunchShape shape;
  const Kernel* kernel = nullptr;
  const char* parameters = nullptr;
  std::vector<std::unique_ptr<Cluster>> resident;
  ReadyQueue ready;
  // What the async engines still have to do: each may run at any time, and all before a deadlock
  // is declared (engine/async_copy.h).
  std::vector<std::function<void()>> pending;
  std::string error;
  uint64_t launch_number = 0;
  alignas(16) uint64_t workspace[8] = {};  // of the grid barrier: its size, then its counter
};

// Runs a grid to its end. Throws std::runtime_error with what went wrong.
void run_grid(const Kernel& kernel, const LaunchShape& shape, const char* parameters);

// The thread that runs now, or null on the host's own stack.
extern Thread* current;

// For instructions that wait. A thread blocks until somebody wakes it.
void block_on(const char* instruction, Site at);
void wake(Thread& thread);
// A spinning thread lets the others go first; the watchdog counts these.
void yield(const char* instruction, Site at);
// Before an access that a loop might poll with: somebody else may go first, and does in a loop.
void poll(Thread& self, const char* instruction, Site at);
// After completing an instruction that others waited in: any of them may go first.
void reschedule();
// Tells the watchdog that something happened.
void progress();
// Lets one of the grid's pending asynchronous operations happen; false if there is none.
bool run_one_pending();

// A warp-wide instruction: the last of the lanes in `mask` that are alive computes for all. If the
// name contains ".aligned", lanes that come from different lines are an error.
void meet_in_warp(Thread& self, uint32_t mask, const char* name, WarpFunction together,
                  void* argument, Site at);
// The same for the 128 threads of a warpgroup.
using WarpGroupFunction = void (*)(Block& block, WarpGroup& group, Thread* const* threads,
                                   void* const* arguments, Site at);
void meet_in_warp_group(Thread& self, const char* name, WarpGroupFunction together, void* argument,
                        Site at);

}  // namespace softgpu
