#include "engine/scheduler.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace softgpu {

Thread* current = nullptr;

namespace {

void* host_stack_pointer = nullptr;
// Since something happened:
int64_t idle_switches = 0;
int64_t idle_yields = 0;
int64_t idle_reads = 0;  // likewise, or since the last switch

// Some loops poll few times on purpose: they are left in peace that long.
constexpr uint32_t kPatientPolls = 8;
// A switch costs the host about as much as so many loads, generously.
constexpr int64_t kReadsASwitch = 64;

Grid& grid_of(Thread& thread) { return *thread.block->grid; }

void go_on_with(Thread& next) {
  Thread* self = std::exchange(current, &next);
  if (self != &next) switch_stack(&self->stack_pointer, next.stack_pointer);
}

[[noreturn]] void end_launch(Grid& grid, const std::string& message) {
  grid.error = message + " of " + grid.kernel->name + "\n  " + name_of_adversary();
  leave_to_host(grid);
}

[[noreturn]] void report_hang(Grid& grid, const char* what) {
  end_launch(grid, std::string(what) + "\n" + describe_waits(grid) + "\n ");
}

// Asynchronous work that may be late is only forced once everybody has had a chance to go on.
bool all_seem_to_wait(const Grid& grid) {
  return idle_yields > 64 + 4 * static_cast<int64_t>(grid.ready.size());
}

void let_async_work_happen(Grid& grid) {
  if (grid.pending.empty()) return;
  if (settings.landing == Landing::kEarly) {
    while (run_one_pending()) continue;
  } else if (all_seem_to_wait(grid) ||
             (settings.landing == Landing::kMixed && random_word() % 8 == 0)) {
    run_one_pending();
  }
}

void schedule() {
  Grid& grid = grid_of(*current);
  idle_reads = 0;
  if (++idle_switches > settings.patience && grid.pending.empty()) {
    report_hang(grid, "livelock: threads run, but nothing happens any more");
  }
  let_async_work_happen(grid);
  for (;;) {
    if (Thread* next = grid.ready.pop()) return go_on_with(*next);
    if (!run_one_pending()) report_hang(grid, "deadlock: no thread can go on");
  }
}

// Tells the others in its warp, block and cluster; the last of a cluster tells the host.
void end_thread(Thread& self) {
  Block& block = *self.block;
  finish_async_copies(self);
  self.exited = true;
  self.waits_for = nullptr;
  self.warp->live &= ~(1u << self.lane);
  self.warp->exited |= 1u << self.lane;
  if (--block.live == 0) check_copies_into(block, self.waits_at);
  --block.cluster->live;
  progress();
  leave_meetings(self);
  leave_barriers(self);
  if (block.cluster->live == 0) {
    while (run_one_pending()) continue;
    leave_to_host(*block.grid);
  }
  schedule();
}

}  // namespace

void fail(Site at, const char* format, ...) {
  char text[4096];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  std::string message = text;
  if (at.file != nullptr) message += "\n  at " + name_of(at);
  if (current == nullptr) throw std::runtime_error(message);
  end_launch(grid_of(*current), message + "\n  " + name_of(*current));
}

void begin_thread() {
  Grid& grid = grid_of(*current);
  try {
    grid.kernel->run(*current, grid.parameters);
  } catch (const std::exception& error) {
    fail({}, "exception in a kernel: %s", error.what());
  }
  end_thread(*current);
  std::abort();  // a thread that has ended is never chosen again
}

void run_threads(Grid& grid) {
  current = grid.ready.pop();
  if (current == nullptr) throw std::logic_error("softgpu: a grid without threads");
  switch_stack(&host_stack_pointer, current->stack_pointer);
  current = nullptr;
}

void leave_to_host(Grid&) {
  Thread* self = current;
  switch_stack(&self->stack_pointer, host_stack_pointer);
  std::abort();
}

void reset_watchdog() { idle_switches = idle_yields = idle_reads = 0; }
void progress() { reset_watchdog(); }

void watch_read(Site at) {
  if (++idle_reads <= kReadsASwitch * settings.patience) return;
  fail(at,
       "livelock: the thread reads for ever without letting others run; a loop that waits must "
       "read volatile or with an order");
}

bool run_one_pending() {
  std::vector<std::function<void()>>& pending = grid_of(*current).pending;
  if (pending.empty()) return false;
  std::swap(pending[random_word() % pending.size()], pending.back());
  const std::function<void()> work = std::move(pending.back());
  pending.pop_back();
  work();
  progress();
  return true;
}

void block_on(const char* instruction, Site at) {
  Thread& self = *current;
  self.waits_for = instruction;
  self.waits_at = at;
  self.blocked = true;
  schedule();
  self.waits_for = nullptr;
}

void wake(Thread& thread) {
  if (!thread.blocked) return;
  thread.blocked = false;
  grid_of(thread).ready.push(thread);
}

void yield(const char* instruction, Site at) {
  Thread& self = *current;
  ++idle_yields;
  self.waits_for = instruction;
  self.waits_at = at;
  self.spins = true;
  grid_of(self).ready.push_last(self);
  schedule();
  self.spins = false;
  self.waits_for = nullptr;
}

void poll(Thread& self, const char* instruction, Site at) {
  const bool patient = ++self.polls <= kPatientPolls;
  if (!patient || settings.schedule == Schedule::kFirstIn) return yield(instruction, at);
  if (settings.schedule != Schedule::kLastIn && random_word() % 4 == 0) reschedule();
}

void reschedule() {
  grid_of(*current).ready.push(*current);
  schedule();
}

void made_progress(Thread& self) {
  self.polls = 0;
  progress();
}

}  // namespace softgpu
