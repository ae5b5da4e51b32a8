#include "binding/cuda_launch.h"

#include <map>
#include <mutex>

#include "binding/check.h"
#include "binding/table_cache.h"

namespace halfword::binding {
namespace {

void check_status(const char* op, CudaStatus status) {
  if (status != 0) {
    Checker(op).runtime_error("CUDA says: ", status_text_cuda(status),
                              " (which an earlier kernel may have caused)");
  }
}

// What is kept for a device. Never destroyed: at the end of the process torch may be gone before
// this library is.
struct Device {
  std::mutex mutex;
  bool is_good = false;
  TableCache tables;
};

Device& device_of(int32_t index) {
  static std::mutex* mutex = new std::mutex();
  static auto* devices = new std::map<int32_t, Device>();
  const std::lock_guard<std::mutex> lock(*mutex);
  return (*devices)[index];
}

// With the lock of the device held, which must be current.
void check_device(const char* op, Device& device) {
  if (device.is_good) return;
  if (const char* problem = device_problem_cuda()) Checker(op).runtime_error(problem);
  device.is_good = true;
}

// Brings a table to the device and calls launch(CudaLaunch) with it.
template <class Launch>
void with_table(const char* op, const TensorTable& table, size_t scratch_bytes, int32_t index,
                const Launch& launch) {
  const DeviceGuard guard(index);
  const CudaStream stream = current_stream(index);
  const DeviceMemory scratch(scratch_bytes, index);
  Device& device = device_of(index);
  const std::lock_guard<std::mutex> lock(device.mutex);
  check_device(op, device);
  if (stream_is_capturing_cuda(stream)) {  // the graph uploads its own at every replay
    const DeviceMemory memory(table.words.size() * sizeof(uint64_t), index);
    auto* words = static_cast<uint64_t*>(memory.data());
    check_status(op, upload_words_cuda(words, table.words.data(), table.words.size(), stream));
    check_status(op, launch(CudaLaunch{words, scratch.data(), stream}));
    return;
  }
  uint64_t* words = nullptr;
  check_status(op, device.tables.find(table.words, stream, &words));
  check_status(op, launch(CudaLaunch{words, scratch.data(), stream}));
}

TensorTable& empty_table() {
  static thread_local TensorTable table;
  table.clear();
  return table;
}

}  // namespace

void run_on_cuda(const AccumulateGradsParams& params, int32_t device) {
  TensorTable& table = empty_table();
  accumulate_grads_table(params, &table);
  with_table("accumulate_grads", table, 0, device, [&](const CudaLaunch& launch) {
    return accumulate_grads_cuda(params, table, launch);
  });
}

void run_on_cuda(const AdamStepParams& params, int32_t device) {
  TensorTable& table = empty_table();
  adam_step_table(params, &table);
  with_table("adam_step", table, adam_step_scratch_bytes(params), device,
             [&](const CudaLaunch& launch) { return adam_step_cuda(params, table, launch); });
}

void run_on_cuda(const UnscaleCheckParams& params, int32_t device) {
  TensorTable& table = empty_table();
  unscale_check_table(params, &table);
  with_table("unscale_check", table, unscale_check_scratch_bytes(params, table), device,
             [&](const CudaLaunch& launch) { return unscale_check_cuda(params, table, launch); });
}

void run_on_cuda(const UpdateScaleParams& params, int32_t index) {
  const DeviceGuard guard(index);
  Device& device = device_of(index);
  const std::lock_guard<std::mutex> lock(device.mutex);
  check_device("update_scale", device);
  check_status("update_scale", update_scale_cuda(params, current_stream(index)));
}

}  // namespace halfword::binding
