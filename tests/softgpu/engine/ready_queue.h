// The threads that can go on, in the order that the schedule gives them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace softgpu {

struct Thread;

class ReadyQueue {
 public:
  void push(Thread& thread);
  // Behind all that are ready now, whatever the schedule.
  void push_last(Thread& thread);
  Thread* pop();  // null if there is none
  size_t size() const { return queue_.size() + heap_.size(); }
  void clear();

 private:
  struct Ranked {
    uint64_t rank;      // the greatest goes first
    uint64_t sequence;  // among equals, the smallest
    Thread* thread;
    bool operator<(const Ranked& other) const {
      return rank != other.rank ? rank < other.rank : sequence > other.sequence;
    }
  };
  void push_ranked(Thread& thread, uint64_t rank);
  Thread* pop_ranked();

  std::deque<Thread*> queue_;
  std::vector<Ranked> heap_;  // for Schedule::kPriority
  uint64_t sequence_ = 0;
};

}  // namespace softgpu
