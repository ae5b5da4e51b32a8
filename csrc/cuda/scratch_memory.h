// Scratch memory, given out from its beginning on; with none, how much it would have to be.
#pragma once

#include <cstddef>
#include <cstdint>

namespace halfword {

class ScratchMemory {
 public:
  explicit ScratchMemory(void* begin) : begin_(reinterpret_cast<uintptr_t>(begin)) {}

  void* take(int64_t bytes) {
    constexpr int64_t kAlignment = 256;
    const uintptr_t at = begin_ + taken_;
    taken_ += static_cast<size_t>((bytes + kAlignment - 1) / kAlignment * kAlignment);
    return reinterpret_cast<void*>(at);
  }
  size_t taken() const { return taken_; }

 private:
  uintptr_t begin_;
  size_t taken_ = 0;
};

}  // namespace halfword
