#include "binding/cuda_launch.h"

#include <mutex>
#include <vector>

#include "binding/check.h"
#include "binding/table_cache.h"

namespace halfword::binding {
namespace {

void check_status(const char* op, CudaStatus status) {
  if (status != 0) Checker(op).runtime_error("CUDA says: ", status_text_cuda(status));
}

// Asked once a device.
void check_device(const char* op, int32_t device) {
  static std::mutex mutex;
  static std::vector<bool>* good = new std::vector<bool>();
  const std::lock_guard<std::mutex> lock(mutex);
  const auto index = static_cast<size_t>(device < 0 ? 0 : device);
  if (index < good->size() && (*good)[index]) return;
  if (const char* problem = device_problem_cuda()) Checker(op).runtime_error(problem);
  if (good->size() <= index) good->resize(index + 1);
  (*good)[index] = true;
}

// Brings a table to the device and calls launch(CudaLaunch) with it.
template <class Launch>
void with_table(const char* op, const TensorTable& table, size_t scratch_bytes, int32_t device,
                const Launch& launch) {
  // Never destroyed: at the end of the process torch may be gone before this library is.
  static std::mutex* mutex = new std::mutex();
  static TableCache* cache = new TableCache();

  const CudaDeviceGuard guard(device);
  check_device(op, device);
  const CudaStream stream = current_stream(device);
  const DeviceMemory scratch(scratch_bytes, device);
  const std::lock_guard<std::mutex> lock(*mutex);
  if (stream_is_capturing_cuda(stream)) {  // the graph uploads its own at every replay
    const DeviceMemory memory(table.words.size() * sizeof(uint64_t), device);
    auto* words = static_cast<uint64_t*>(memory.data());
    check_status(op, upload_words_cuda(words, table.words.data(), table.words.size(), stream));
    check_status(op, launch(CudaLaunch{words, scratch.data(), stream}));
    return;
  }
  uint64_t* words = nullptr;
  check_status(op, cache->find(table.words, device, stream, &words));
  check_status(op, launch(CudaLaunch{words, scratch.data(), stream}));
}

}  // namespace

void run_on_cuda(const AccumulateGradsParams& params, int32_t device) {
  const TensorTable table = accumulate_grads_table(params);
  with_table("accumulate_grads", table, 0, device, [&](const CudaLaunch& launch) {
    return accumulate_grads_cuda(params, table, launch);
  });
}

void run_on_cuda(const AdamStepParams& params, int32_t device) {
  const TensorTable table = adam_step_table(params);
  with_table("adam_step", table, adam_step_scratch_bytes(params), device,
             [&](const CudaLaunch& launch) { return adam_step_cuda(params, table, launch); });
}

void run_on_cuda(const UnscaleCheckParams& params, int32_t device) {
  const TensorTable table = unscale_check_table(params);
  with_table("unscale_check", table, unscale_check_scratch_bytes(table), device,
             [&](const CudaLaunch& launch) { return unscale_check_cuda(params, table, launch); });
}

void run_on_cuda(const UpdateScaleParams& params, int32_t device) {
  const CudaDeviceGuard guard(device);
  check_device("update_scale", device);
  check_status("update_scale", update_scale_cuda(params, current_stream(device)));
}

}  // namespace halfword::binding
