#include "engine/ready_queue.h"

#include <algorithm>
#include <utility>

#include "engine/settings.h"
#include "engine/thread.h"

namespace softgpu {
namespace {

constexpr uint64_t kPrioritiesLast = 64;  // switches, on average, until some warp's is redrawn

void redraw_priority(Warp& warp) {
  const auto priority = static_cast<uint32_t>(random_word());
  for (Thread* lane : warp.lane) {
    if (lane != nullptr) lane->priority = priority;
  }
}

}  // namespace

void ReadyQueue::push_ranked(Thread& thread, uint64_t rank) {
  heap_.push_back({rank, sequence_++, &thread});
  std::push_heap(heap_.begin(), heap_.end());
}

void ReadyQueue::push(Thread& thread) {
  if (settings.schedule == Schedule::kPriority) {
    push_ranked(thread, uint64_t{1} + thread.priority);
  } else {
    queue_.push_back(&thread);
  }
}

void ReadyQueue::push_last(Thread& thread) {
  switch (settings.schedule) {
    case Schedule::kPriority: push_ranked(thread, 0); break;
    case Schedule::kLastIn: queue_.push_front(&thread); break;
    case Schedule::kFirstIn:
    case Schedule::kRandom: queue_.push_back(&thread); break;
  }
}

Thread* ReadyQueue::pop_ranked() {
  std::pop_heap(heap_.begin(), heap_.end());
  Thread* thread = heap_.back().thread;
  heap_.pop_back();
  if (random_word() % kPrioritiesLast == 0) redraw_priority(*thread->warp);
  return thread;
}

Thread* ReadyQueue::pop() {
  if (!heap_.empty()) return pop_ranked();
  if (queue_.empty()) return nullptr;
  if (settings.schedule == Schedule::kFirstIn) {
    Thread* thread = queue_.front();
    queue_.pop_front();
    return thread;
  }
  if (settings.schedule == Schedule::kRandom) {
    std::swap(queue_[random_word() % queue_.size()], queue_.back());
  }
  Thread* thread = queue_.back();
  queue_.pop_back();
  return thread;
}

void ReadyQueue::clear() {
  queue_.clear();
  heap_.clear();
}

}  // namespace softgpu
