#include <map>
#include <memory>

#include "cudart/device.h"
#include "cudart/runtime.h"
#include "cudart/stream.h"

namespace softgpu::cudart {

namespace {

std::map<cudaEvent_t, std::unique_ptr<CUevent_st>> events;

void create(cudaEvent_t* handle, unsigned flags) {
  auto event = std::make_unique<CUevent_st>();
  event->device = current_device();
  event->timing = !(flags & cudaEventDisableTiming);
  *handle = event.get();
  events[*handle] = std::move(event);
}

void record_on(CUstream_st& stream, CUevent_st& event) {
  if (event.device != stream.device) {
    raise(cudaErrorInvalidResourceHandle, "cudaEventRecord: event of device %d, stream of %d",
          event.device, stream.device);
  }
  forbid_implicit_dependency(stream, "cudaEventRecord");
  if (stream.capture) return capture_record(stream, event);
  event.capture = nullptr;
  event.captured.clear();
  event.recorded = mark(stream);
}

void refuse_captured(const CUevent_st& event, const char* function) {
  if (event.capture) raise(cudaErrorCapturedEvent, "%s: recorded in a capture", function);
}

}  // namespace

CUevent_st& event_of(cudaEvent_t handle) {
  const auto found = events.find(handle);
  if (found == events.end()) {
    raise(cudaErrorInvalidResourceHandle, "no such event, or it was destroyed");
  }
  return *found->second;
}

}  // namespace softgpu::cudart

using namespace softgpu::cudart;

extern "C" {

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return enter([&] { create(event, flags); });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return enter([&] {
    event_of(event);
    events.erase(event);
  });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return enter([&] { record_on(stream_of(stream), event_of(event)); });
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned) {
  return cudaEventRecord(event, stream);
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  return enter([&] {
    CUevent_st& event = event_of(handle);
    refuse_captured(event, "cudaEventSynchronize");
    run_until(event.recorded);
  });
}

cudaError_t cudaEventQuery(cudaEvent_t handle) {
  return enter([&] {
    CUevent_st& event = event_of(handle);
    refuse_captured(event, "cudaEventQuery");
    run_one();
    if (event.recorded && !event.recorded->done) {
      raise(cudaErrorNotReady, "work before the event has not run");
    }
  });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  return enter([&] {
    const CUevent_st& start = event_of(from);
    const CUevent_st& end = event_of(to);
    if (!start.timing || !end.timing || !start.recorded || !end.recorded) {
      raise(cudaErrorInvalidResourceHandle, "cudaEventElapsedTime: event without a time");
    }
    if (!start.recorded->done || !end.recorded->done) {
      raise(cudaErrorNotReady, "cudaEventElapsedTime: work before an event has not run");
    }
    *milliseconds =
        std::chrono::duration<float, std::milli>(end.recorded->finished - start.recorded->finished)
            .count();
  });
}

}  // extern "C"
