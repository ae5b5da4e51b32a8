// A grid from its first cluster to its last: who is resident, and what a block starts with.
#include <algorithm>
#include <stdexcept>

#include "engine/arena.h"
#include "engine/counters.h"
#include "engine/scheduler.h"

namespace softgpu {
namespace {

uint64_t launches = 0;
std::vector<Thread*> spare_threads;

Thread* take_thread() {
  if (spare_threads.empty()) {
    auto* thread = new Thread;
    thread->stack = take_stack();
    return thread;
  }
  Thread* thread = spare_threads.back();
  spare_threads.pop_back();
  return thread;
}

void start_thread(Block& block, uint32_t number) {
  const Dim3& shape = block.grid->shape.block;
  Thread& thread = *take_thread();
  thread.index = {number % shape.x, number / shape.x % shape.y, number / (shape.x * shape.y)};
  thread.number = number;
  thread.lane = number % kWarp;
  thread.warp = block.warps[number / kWarp].get();
  thread.block = &block;
  thread.exited = thread.blocked = thread.spins = false;
  thread.waits_for = nullptr;
  thread.polls = 0;
  thread.priority = 0;
  thread.race = {};
  thread.wgmma_fenced = thread.cluster_arrived = false;
  thread.locals.clear();
  thread.stack_pointer = prepare_stack(thread.stack, begin_thread);
  thread.warp->lane[thread.lane] = &thread;
  thread.warp->live |= 1u << thread.lane;
  block.threads.push_back(&thread);
}

void draw_priorities(Block& block) {
  for (const auto& warp : block.warps) {
    const auto priority = static_cast<uint32_t>(random_word());
    for (Thread* thread : warp->lane) {
      if (thread != nullptr) thread->priority = priority;
    }
  }
}

std::unique_ptr<Block> make_block(Grid& grid, Cluster& cluster, const Dim3& index, uint32_t rank) {
  auto block = std::make_unique<Block>();
  const Dim3& shape = grid.shape.grid;
  block->index = index;
  block->number = index.x + shape.x * (index.y + shape.y * index.z);
  block->rank = rank;
  block->cluster = &cluster;
  block->grid = &grid;
  lay_out_shared(*block);
  if (settings.race) race::begin_block(*block);

  const auto threads = static_cast<uint32_t>(grid.shape.block.count());
  for (uint32_t first = 0; first < threads; first += kWarp) {
    block->warps.push_back(std::make_unique<Warp>());
  }
  block->warp_groups.resize((threads + kWarpGroup - 1) / kWarpGroup);
  block->threads.reserve(threads);
  for (uint32_t number = 0; number < threads; ++number) start_thread(*block, number);
  block->live = threads;
  if (settings.schedule == Schedule::kPriority) draw_priorities(*block);
  return block;
}

Dim3 unflatten(uint32_t number, const Dim3& shape) {
  return {number % shape.x, number / shape.x % shape.y, number / (shape.x * shape.y)};
}

void admit(Grid& grid, uint32_t number) {
  const Dim3& shape = grid.shape.cluster;
  const Dim3& blocks = grid.shape.grid;
  auto cluster = std::make_unique<Cluster>();
  cluster->index = unflatten(number, {blocks.x / shape.x, blocks.y / shape.y, blocks.z / shape.z});
  for (uint32_t rank = 0; rank < shape.count(); ++rank) {
    const Dim3 inside = unflatten(rank, shape);
    const Dim3 index{cluster->index.x * shape.x + inside.x, cluster->index.y * shape.y + inside.y,
                     cluster->index.z * shape.z + inside.z};
    cluster->blocks.push_back(make_block(grid, *cluster, index, rank));
    cluster->live += cluster->blocks.back()->live;
  }
  for (const auto& block : cluster->blocks) {
    for (Thread* thread : block->threads) grid.ready.push(*thread);
  }
  grid.resident.push_back(std::move(cluster));
}

void give_back(Cluster& cluster) {
  for (const auto& block : cluster.blocks) {
    if (settings.count) count_block_end(*block);
    give_arena_back(*block);
    // so that the next block's first thread gets the stack that was first
    spare_threads.insert(spare_threads.end(), block->threads.rbegin(), block->threads.rend());
  }
}

void retire_finished(Grid& grid) {
  auto& resident = grid.resident;
  for (size_t i = 0; i < resident.size();) {
    if (resident[i]->live != 0) {
      ++i;
      continue;
    }
    give_back(*resident[i]);
    resident[i].swap(resident.back());
    resident.pop_back();
  }
}

// After an error: threads stay where they are, on stacks that will begin anew.
void abandon(Grid& grid) {
  for (const auto& cluster : grid.resident) {
    for (const auto& block : cluster->blocks) {
      for (Thread* thread : block->threads) thread->async_copies = {};
    }
    give_back(*cluster);
  }
  grid.resident.clear();
  grid.pending.clear();
  throw std::runtime_error(grid.error);
}

// The adversary's: nothing says in which order blocks begin.
std::vector<uint32_t> admission_order(uint32_t clusters) {
  std::vector<uint32_t> order(clusters);
  for (uint32_t i = 0; i < clusters; ++i) order[i] = i;
  if (settings.schedule == Schedule::kLastIn) std::reverse(order.begin(), order.end());
  if (settings.schedule == Schedule::kRandom || settings.schedule == Schedule::kPriority) {
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random_word() % i]);
  }
  return order;
}

void check_shape(const Kernel& kernel, const LaunchShape& shape) {
  const auto refuse = [&](const char* what) {
    throw std::runtime_error(std::string(what) + ", in a launch of " + kernel.name);
  };
  const uint64_t threads = shape.block.count();
  if (current != nullptr) refuse("a kernel cannot launch a kernel");
  if (threads == 0 || threads > 1024) refuse("a block has 1 to 1024 threads");
  if (kernel.max_threads != 0 && threads > kernel.max_threads) {
    refuse("the block is larger than __launch_bounds__ allows");
  }
  const Dim3& grid = shape.grid;
  const Dim3& cluster = shape.cluster;
  if (grid.count() == 0 || cluster.count() == 0) refuse("a grid has at least one block");
  if (grid.x % cluster.x != 0 || grid.y % cluster.y != 0 || grid.z % cluster.z != 0) {
    refuse("the grid is not a whole number of clusters");
  }
}

void run_clusters(Grid& grid) {
  const auto cluster_blocks = static_cast<uint32_t>(grid.shape.cluster.count());
  const auto clusters = static_cast<uint32_t>(grid.shape.grid.count() / cluster_blocks);
  const auto wanted = static_cast<uint32_t>(std::max(1, settings.resident_blocks));
  const uint32_t at_once =
      grid.shape.cooperative ? clusters : (wanted + cluster_blocks - 1) / cluster_blocks;
  const std::vector<uint32_t> order = admission_order(clusters);
  for (size_t next = 0; next < order.size() || !grid.resident.empty();) {
    while (next < order.size() && grid.resident.size() < at_once) admit(grid, order[next++]);
    run_threads(grid);
    if (!grid.error.empty()) abandon(grid);
    retire_finished(grid);
  }
}

}  // namespace

void run_grid(const Kernel& kernel, const LaunchShape& shape, const char* parameters) {
  check_shape(kernel, shape);
  Grid grid;
  grid.shape = shape;
  grid.kernel = &kernel;
  grid.parameters = parameters;
  grid.launch_number = ++launches;
  grid.workspace[0] = sizeof grid.workspace;
  seed_dice();
  reset_watchdog();
  begin_launch_of_memory(grid);
  try {
    run_clusters(grid);
  } catch (...) {
    end_launch_of_memory(grid);
    throw;
  }
  end_launch_of_memory(grid);
}

}  // namespace softgpu
