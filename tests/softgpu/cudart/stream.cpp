#include "cudart/stream.h"

#include <algorithm>
#include <map>

#include "cudart/device.h"
#include "cudart/runtime.h"
#include "engine/settings.h"

namespace softgpu::cudart {

namespace {

struct DeviceStreams {
  CUstream_st legacy;
  CUstream_st per_thread;
  std::vector<std::unique_ptr<CUstream_st>> created;
};

int next_id = 1;

DeviceStreams& on_device(int device) {
  static std::map<int, DeviceStreams> all;
  const auto [found, is_new] = all.try_emplace(device);
  if (is_new) {
    found->second.legacy.device = found->second.per_thread.device = device;
    found->second.per_thread.id = -1;
  }
  return found->second;
}

void create(cudaStream_t* stream, unsigned flags, int priority) {
  if (flags != cudaStreamDefault && flags != cudaStreamNonBlocking) {
    raise(cudaErrorInvalidValue, "cudaStreamCreate: unknown flags %u", flags);
  }
  auto created = std::make_unique<CUstream_st>();
  created->id = next_id++;
  created->device = current_device();
  created->blocking = flags == cudaStreamDefault;
  created->priority = priority;
  *stream = created.get();
  on_device(current_device()).created.push_back(std::move(created));
}

// What is queued on it still runs.
void destroy(cudaStream_t stream) {
  if (stream_of(stream).capture) {
    raise(cudaErrorStreamCaptureUnsupported, "cudaStreamDestroy: the stream captures");
  }
  for (int device = 0; device < kMaxDevices; ++device) {
    auto& all = on_device(device).created;
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const auto& s) { return s.get() == stream; });
    if (found == all.end()) continue;
    // The legacy stream still has to wait for it.
    if ((*found)->blocking && (*found)->last && !(*found)->last->done) {
      CUstream_st& legacy = on_device(device).legacy;
      legacy.last = append(nothing(legacy), legacy.id, {legacy.last, (*found)->last});
    }
    all.erase(found);
    return;
  }
  raise(cudaErrorInvalidResourceHandle, "cudaStreamDestroy: a default stream");
}

}  // namespace

CUstream_st& legacy_stream(int device) { return on_device(device).legacy; }

std::vector<CUstream_st*> streams_of(int device) {
  DeviceStreams& streams = on_device(device);
  std::vector<CUstream_st*> all{&streams.legacy, &streams.per_thread};
  for (const auto& stream : streams.created) all.push_back(stream.get());
  return all;
}

CUstream_st& stream_of(cudaStream_t handle) {
  if (handle == nullptr || handle == cudaStreamLegacy) return legacy_stream(current_device());
  if (handle == cudaStreamPerThread) return on_device(current_device()).per_thread;
  for (int device = 0; device < kMaxDevices; ++device) {
    for (const auto& stream : on_device(device).created) {
      if (stream.get() == handle) return *stream;
    }
  }
  raise(cudaErrorInvalidResourceHandle, "no such stream, or it was destroyed");
}

Operations order_on(const CUstream_st& stream) {
  Operations after{stream.last};
  const CUstream_st& legacy = legacy_stream(stream.device);
  if (&stream == &legacy) {
    for (const CUstream_st* other : streams_of(stream.device)) {
      if (other->blocking) after.push_back(other->last);
    }
  } else if (stream.blocking) {
    after.push_back(legacy.last);
  }
  return after;
}

void submit(CUstream_st& stream, Work work) {
  forbid_implicit_dependency(stream, work.name.c_str());
  if (stream.capture) {
    capture_work(stream, std::move(work));
  } else {
    stream.last = append(std::move(work), stream.id, order_on(stream));
  }
}

OperationPtr mark(CUstream_st& stream) {
  stream.last = append(nothing(stream), stream.id, order_on(stream));
  return stream.last;
}

Operations before_now(const CUstream_st& stream) {
  return stream.id == 0 ? order_on(stream) : Operations{stream.last};
}

void synchronize(CUstream_st& stream) {
  for (const OperationPtr& earlier : before_now(stream)) run_until(earlier);
}

void synchronize_device(int device) { run_until(append({}, 0, queued_on(device))); }

Work nothing(const CUstream_st& stream) {
  Work work{};
  work.device = stream.device;
  return work;
}

}  // namespace softgpu::cudart

using namespace softgpu::cudart;

extern "C" {

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return enter([&] { create(stream, cudaStreamDefault, 0); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return enter([&] { create(stream, flags, 0); });
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority) {
  return enter([&] { create(stream, flags, priority); });
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return enter([&] { destroy(stream); });
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return enter([&] {
    CUstream_st& stream = stream_of(handle);
    forbid_on_capturing(stream, "cudaStreamSynchronize");
    synchronize(stream);
  });
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  return enter([&] {
    CUstream_st& stream = stream_of(handle);
    forbid_on_capturing(stream, "cudaStreamQuery");
    run_one();
    const Operations order = before_now(stream);
    if (std::any_of(order.begin(), order.end(), [](const auto& o) { return o && !o->done; })) {
      raise(cudaErrorNotReady, "work on the stream has not run");
    }
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event_handle, unsigned) {
  return enter([&] {
    CUstream_st& stream = stream_of(handle);
    CUevent_st& event = event_of(event_handle);
    if (stream.capture || event.capture) return capture_wait(stream, event);
    Operations after = order_on(stream);
    after.push_back(event.recorded);
    stream.last = append(nothing(stream), stream.id, std::move(after));
  });
}

cudaError_t cudaStreamGetFlags(cudaStream_t handle, unsigned* flags) {
  return enter(
      [&] { *flags = stream_of(handle).blocking ? cudaStreamDefault : cudaStreamNonBlocking; });
}

cudaError_t cudaStreamGetPriority(cudaStream_t handle, int* priority) {
  return enter([&] { *priority = stream_of(handle).priority; });
}

cudaError_t cudaStreamGetId(cudaStream_t handle, unsigned long long* id) {
  return enter([&] { *id = static_cast<unsigned long long>(stream_of(handle).id); });
}

cudaError_t cudaStreamGetDevice(cudaStream_t handle, int* device) {
  return enter([&] { *device = stream_of(handle).device; });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* data) {
  return enter([&] {
    CUstream_st& stream = stream_of(handle);
    const auto call = [function, data] {
      state().in_host_function = true;
      function(data);
      state().in_host_function = false;
    };
    submit(stream, {"host function", cudaGraphNodeTypeHost, call, stream.device});
  });
}

}  // extern "C"
