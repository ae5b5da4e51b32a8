// Vector clocks over the threads of a grid. Most threads have seen the same: clocks share what
// they have in common and copy it only to change it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace softgpu {

// How far into each thread's execution something has seen: nothing, of a thread not mentioned.
class Seen {
 public:
  uint32_t at(uint32_t block, uint32_t thread) const {
    const std::vector<uint32_t>* times = find(block);
    return times != nullptr && thread < times->size() ? (*times)[thread] : 0;
  }
  bool empty() const { return blocks_ == nullptr; }
  void see(uint32_t block, uint32_t thread, uint32_t time);
  void merge(const Seen& other);

 private:
  struct OfBlock {
    uint32_t block;
    std::shared_ptr<std::vector<uint32_t>> times;  // by thread
  };
  using Blocks = std::vector<OfBlock>;  // in the order of their numbers

  const std::vector<uint32_t>* find(uint32_t block) const {
    if (blocks_ == nullptr) return nullptr;
    if (blocks_->size() == 1) {
      return blocks_->front().block == block ? blocks_->front().times.get() : nullptr;
    }
    return search(block);
  }
  const std::vector<uint32_t>* search(uint32_t block) const;
  Blocks& own_blocks();
  static void merge_block(Blocks& into, const OfBlock& from);

  std::shared_ptr<Blocks> blocks_;
};

// What has been seen, and of that, what the async proxy has been fenced for.
struct Clock {
  Seen seen;
  Seen proxied;
  bool empty() const { return seen.empty(); }
  void merge(const Clock& other) {
    seen.merge(other.seen);
    proxied.merge(other.proxied);
  }
};

}  // namespace softgpu
