// Tensor tables that are on a device already. An optimizer and a scaler come with the same lists at
// every step, so that nothing is uploaded, or only the column of gradients.
#pragma once

#include <cstdint>
#include <vector>

#include "binding/cuda_launch.h"

namespace halfword::binding {

// Not for several threads at once: the caller keeps its lock until the kernels that read a table
// are launched, because the next call may write to it.
class TableCache {
 public:
  // Words of the device that hold `words` for what is launched next on the stream.
  CudaStatus find(const std::vector<uint64_t>& words, int32_t device, CudaStream stream,
                  uint64_t** result);

 private:
  struct Table {
    int32_t device;
    CudaStream stream;
    std::vector<uint64_t> words;  // as the device has them
    DeviceMemory memory;
    uint64_t last_use;
  };

  Table* most_alike(const std::vector<uint64_t>& words, int32_t device, CudaStream stream);
  Table& place_for_new();

  static constexpr size_t kTables = 16;

  std::vector<Table> tables_;
  uint64_t uses_ = 0;
};

}  // namespace halfword::binding
