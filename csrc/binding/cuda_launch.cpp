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

// For an op without a table: calls launch(scratch, stream).
template <class Launch>
void with_scratch(const char* op, size_t scratch_bytes, int32_t index, const Launch& launch) {
  const DeviceGuard guard(index);
  Device& device = device_of(index);
  {
    const std::lock_guard<std::mutex> lock(device.mutex);
    check_device(op, device);
  }
  const DeviceMemory scratch(scratch_bytes, index);
  check_status(op, launch(scratch.data(), current_stream(index)));
}

TensorTable& empty_table() {
  static thread_local TensorTable table;
  table.clear();
  return table;
}

}  // namespace

// Ops over a list of tensors.

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

// Ops that need scratch memory; how much may depend on the device, which is current then.

#define HALFWORD_RUN(Params, stem)                                                               \
  void run_on_cuda(const Params& params, int32_t device) {                                       \
    const DeviceGuard guard(device);                                                             \
    with_scratch(                                                                                \
        #stem, stem##_scratch_bytes(params), device,                                             \
        [&](void* scratch, CudaStream stream) { return stem##_cuda(params, scratch, stream); }); \
  }
HALFWORD_RUN(FakeQuantizeParams, fake_quantize)
HALFWORD_RUN(FakeQuantizeBackwardParams, fake_quantize_backward)
HALFWORD_RUN(GemmInt8Params, gemm_int8)
HALFWORD_RUN(GemmW4A8Params, gemm_w4a8)
HALFWORD_RUN(GemmW4A16Params, gemm_w4a16)
HALFWORD_RUN(QuantizeParams, quantize)
HALFWORD_RUN(QuantizeDualParams, quantize_dual)
#undef HALFWORD_RUN

// All others.

#define HALFWORD_RUN(Params, stem)                                                       \
  void run_on_cuda(const Params& params, int32_t device) {                               \
    with_scratch(#stem, 0, device,                                                       \
                 [&](void*, CudaStream stream) { return stem##_cuda(params, stream); }); \
  }
HALFWORD_RUN(AbsmaxParams, absmax)
HALFWORD_RUN(DequantizeParams, dequantize)
HALFWORD_RUN(HadamardParams, hadamard)
HALFWORD_RUN(HistogramParams, histogram)
HALFWORD_RUN(NormQuantizeParams, norm_quantize)
HALFWORD_RUN(PackInt4Params, pack_int4)
HALFWORD_RUN(PackInt8Params, pack_int8)
HALFWORD_RUN(RequantizeParams, requantize)
HALFWORD_RUN(SiluMulQuantizeParams, silu_mul_quantize)
HALFWORD_RUN(UnpackInt4Params, unpack_int4)
HALFWORD_RUN(UpdateScaleParams, update_scale)
#undef HALFWORD_RUN

}  // namespace halfword::binding
