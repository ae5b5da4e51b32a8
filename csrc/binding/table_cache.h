// Tensor tables that are on one device already. An optimizer and a scaler come with the same lists
// at every step, so that nothing is uploaded, or only the column of gradients.
#pragma once

#include <cstdint>
#include <vector>

#include "core/cuda.h"

namespace halfword::binding {

// Not for several threads at once: the caller keeps its lock until the kernels that read a table
// are launched, because the next call may write to it.
class TableCache {
 public:
  // Words of the device that hold `words` for what is launched next on the stream.
  CudaStatus find(const std::vector<uint64_t>& words, CudaStream stream, uint64_t** result);

 private:
  struct Table {
    CudaStream stream = nullptr;
    std::vector<uint64_t> words;  // as the device has them
    void* memory = nullptr;
    uint64_t last_use = 0;
  };

  Table* most_alike(const std::vector<uint64_t>& words, CudaStream stream);
  CudaStatus make(size_t words, CudaStream stream, Table** result);

  static constexpr size_t kTables = 64;  // optimizers with many groups come with as many lists

  std::vector<Table> tables_;
  uint64_t uses_ = 0;
};

}  // namespace halfword::binding
