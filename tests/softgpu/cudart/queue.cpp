#include "cudart/queue.h"

#include <algorithm>
#include <deque>
#include <set>

#include "cudart/runtime.h"
#include "engine/settings.h"

namespace softgpu::cudart {

namespace {

std::deque<OperationPtr> pending;  // in the order in which they were queued
std::vector<Executed> log;
bool run_at_once = false;
uint64_t dice_state = 0;

// splitmix64: an odd constant stepped and mixed.
uint64_t mix(uint64_t word) {
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9ull;
  word = (word ^ (word >> 27)) * 0x94d049bb133111ebull;
  return word ^ (word >> 31);
}

uint64_t roll() { return mix(dice_state += 0x9e3779b97f4a7c15ull); }

bool is_ready(const Operation& operation) {
  return std::all_of(operation.after.begin(), operation.after.end(),
                     [](const OperationPtr& earlier) { return earlier->done; });
}

// Those that must run before the operation can, itself included.
std::set<const Operation*> needed_by(const OperationPtr& operation) {
  std::set<const Operation*> found;
  Operations left{operation};
  while (!left.empty()) {
    const OperationPtr next = left.back();
    left.pop_back();
    if (next->done || !found.insert(next.get()).second) continue;
    left.insert(left.end(), next->after.begin(), next->after.end());
  }
  return found;
}

Operations candidates(const std::set<const Operation*>* only) {
  Operations found;
  for (const OperationPtr& operation : pending) {
    if (only && !only->count(operation.get())) continue;
    if (is_ready(*operation)) found.push_back(operation);
  }
  return found;
}

OperationPtr choose(const Operations& from) {
  if (from.empty()) return nullptr;
  switch (settings.schedule) {
    case Schedule::kFirstIn: return from.front();
    case Schedule::kLastIn: return from.back();
    case Schedule::kRandom: return from[roll() % from.size()];
    case Schedule::kPriority: break;
  }
  // One stream is always the slowest.
  const auto rank = [](const OperationPtr& operation) {
    return mix(settings.seed ^ mix(static_cast<uint64_t>(operation->stream)));
  };
  return *std::max_element(from.begin(), from.end(),
                           [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
}

void finish(const OperationPtr& operation) {
  operation->done = true;
  operation->finished = std::chrono::steady_clock::now();
  operation->after.clear();
  operation->work.run = nullptr;
}

void run(const OperationPtr& operation) {
  pending.erase(std::find(pending.begin(), pending.end(), operation));
  if (!operation->work.name.empty()) {
    log.push_back({operation->work.name, operation->stream, operation->work.device});
  }
  const std::function<void()> body = std::move(operation->work.run);
  try {
    if (body) body();
  } catch (const Error& error) {
    finish(operation);
    make_sticky(error);
    drop_all();
    throw;
  }
  finish(operation);
}

}  // namespace

OperationPtr append(Work work, int stream, Operations after) {
  auto operation = std::make_shared<Operation>();
  operation->work = std::move(work);
  operation->stream = stream;
  for (OperationPtr& earlier : after) {
    if (earlier && !earlier->done) operation->after.push_back(std::move(earlier));
  }
  pending.push_back(operation);
  if (run_at_once) run_until(operation);
  return operation;
}

void run_until(const OperationPtr& operation) {
  if (!operation || operation->done) return;
  const std::set<const Operation*> needed = needed_by(operation);
  // In order, or not more than what is waited for, or whatever comes.
  const bool only_needed = settings.schedule == Schedule::kLastIn ||
                           (settings.schedule != Schedule::kFirstIn && roll() % 2 == 0);
  while (!operation->done) run(choose(candidates(only_needed ? &needed : nullptr)));
}

Operations queued_on(int device) {
  Operations found;
  for (const OperationPtr& operation : pending) {
    if (operation->work.device == device) found.push_back(operation);
  }
  return found;
}

void run_one() {
  const OperationPtr next = choose(candidates(nullptr));
  if (next) run(next);
}

void drop_all() {
  for (const OperationPtr& operation : pending) finish(operation);
  pending.clear();
}

const std::vector<Executed>& executed() { return log; }
void forget_executed() { log.clear(); }

void set_eager(bool on) { run_at_once = on; }

bool eager() { return run_at_once; }

void reseed_queue() { dice_state = mix(settings.seed); }

}  // namespace softgpu::cudart
