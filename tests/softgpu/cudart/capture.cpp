// Captures: work on a capturing stream becomes nodes of a graph, and events carry the capture to
// other streams, which have to come back to the stream where it began.
#include <algorithm>
#include <list>

#include "cudart/device.h"
#include "cudart/graph.h"
#include "cudart/runtime.h"
#include "cudart/stream.h"

namespace softgpu::cudart {

namespace {

std::list<std::shared_ptr<Capture>> captures;  // in progress
uint64_t next_id = 1;
thread_local cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;

void invalidate(Capture& capture, const char* function, const char* why) {
  if (capture.invalid.empty()) capture.invalid = std::string(function) + ": " + why;
}

void check_valid(const Capture& capture) {
  if (capture.invalid.empty()) return;
  raise(cudaErrorStreamCaptureInvalidated, "%s", capture.invalid.c_str());
}

// Whether the capture forbids unsafe calls to this thread: see cudaStreamCaptureMode.
bool restricts_this_thread(const Capture& capture) {
  if (thread_mode == cudaStreamCaptureModeRelaxed) return false;
  if (capture.thread == std::this_thread::get_id()) {
    return capture.mode != cudaStreamCaptureModeRelaxed;
  }
  return thread_mode == cudaStreamCaptureModeGlobal && capture.mode == cudaStreamCaptureModeGlobal;
}

template <class T>
void add_new(std::vector<T>& to, const std::vector<T>& more) {
  for (const T& item : more) {
    if (std::find(to.begin(), to.end(), item) == to.end()) to.push_back(item);
  }
}

void begin(CUstream_st& stream, cudaStreamCaptureMode mode) {
  if (stream.id == 0) {
    raise(cudaErrorStreamCaptureUnsupported, "the legacy default stream cannot capture");
  }
  if (stream.capture) raise(cudaErrorIllegalState, "the stream captures already");
  auto capture = std::make_shared<Capture>();
  capture->id = next_id++;
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  capture->origin = &stream;
  capture->streams.insert(&stream);
  capture->graph = std::make_unique<CUgraph_st>();
  stream.capture = capture;
  stream.captured_last.clear();
  captures.push_back(capture);
}

// Nodes that the origin stream does not come after: streams that did not join again.
const CUgraphNode_st* unjoined(const Capture& capture) {
  std::set<const CUgraphNode_st*> joined;
  std::vector<CUgraphNode_st*> left = capture.origin->captured_last;
  while (!left.empty()) {
    CUgraphNode_st* node = left.back();
    left.pop_back();
    if (joined.insert(node).second) left.insert(left.end(), node->after.begin(), node->after.end());
  }
  for (const auto& node : capture.graph->nodes) {
    if (!joined.count(node.get())) return node.get();
  }
  return nullptr;
}

std::unique_ptr<CUgraph_st> end(CUstream_st& stream) {
  const std::shared_ptr<Capture> capture = stream.capture;
  if (!capture) raise(cudaErrorIllegalState, "cudaStreamEndCapture: the stream does not capture");
  if (capture->origin != &stream) {
    raise(cudaErrorStreamCaptureUnmatched, "cudaStreamEndCapture: not where the capture began");
  }
  if (capture->mode != cudaStreamCaptureModeRelaxed &&
      capture->thread != std::this_thread::get_id()) {
    raise(cudaErrorStreamCaptureWrongThread, "cudaStreamEndCapture: not the thread that began it");
  }
  const CUgraphNode_st* const loose = unjoined(*capture);
  for (CUstream_st* member : capture->streams) {
    member->capture = nullptr;
    member->captured_last.clear();
  }
  capture->ended = true;
  captures.remove(capture);
  check_valid(*capture);
  if (loose) {
    raise(cudaErrorStreamCaptureUnjoined,
          "cudaStreamEndCapture: the stream with '%s' was not joined to the one where the capture "
          "began",
          loose->work.name.c_str());
  }
  return std::move(capture->graph);
}

}  // namespace

void drop_captures() {
  for (const auto& capture : captures) {
    capture->ended = true;
    for (CUstream_st* member : capture->streams) {
      member->capture = nullptr;
      member->captured_last.clear();
    }
  }
  captures.clear();
}

void forbid_while_capturing(const char* function) {
  bool forbidden = false;
  for (const auto& capture : captures) {
    if (!restricts_this_thread(*capture)) continue;
    invalidate(*capture, function, "not permitted while a stream captures");
    forbidden = true;
  }
  if (forbidden) {
    raise(cudaErrorStreamCaptureUnsupported, "%s: not permitted while a stream captures", function);
  }
}

void forbid_on_capturing(CUstream_st& stream, const char* function) {
  if (!stream.capture) return forbid_implicit_dependency(stream, function);
  invalidate(*stream.capture, function, "not permitted on a stream that captures");
  raise(cudaErrorStreamCaptureUnsupported, "%s: not permitted on a stream that captures", function);
}

void forbid_implicit_dependency(const CUstream_st& stream, const char* function) {
  if (stream.id != 0) return;
  for (const CUstream_st* other : streams_of(stream.device)) {
    if (!other->blocking || !other->capture) continue;
    invalidate(*other->capture, function, "the legacy default stream waits for a capturing stream");
    raise(cudaErrorStreamCaptureImplicit,
          "%s: the legacy default stream would wait for a stream that captures", function);
  }
}

void capture_work(CUstream_st& stream, Work work) {
  check_valid(*stream.capture);
  CUgraphNode_st* const node =
      stream.capture->graph->add(std::move(work), std::move(stream.captured_last));
  stream.captured_last = {node};
}

void capture_record(CUstream_st& stream, CUevent_st& event) {
  check_valid(*stream.capture);
  event.capture = stream.capture;
  event.captured = stream.captured_last;
  event.recorded = nullptr;
}

void capture_wait(CUstream_st& stream, CUevent_st& event) {
  if (!event.capture) {
    invalidate(*stream.capture, "cudaStreamWaitEvent",
               "the event was recorded outside the capture");
    raise(cudaErrorStreamCaptureIsolation,
          "cudaStreamWaitEvent: the event was recorded outside the capture");
  }
  if (event.capture->ended) {
    raise(cudaErrorCapturedEvent, "cudaStreamWaitEvent: recorded in a capture that has ended");
  }
  check_valid(*event.capture);
  if (stream.capture && stream.capture != event.capture) {
    invalidate(*stream.capture, "cudaStreamWaitEvent", "the event is of another capture");
    raise(cudaErrorStreamCaptureMerge, "cudaStreamWaitEvent: the event is of another capture");
  }
  if (stream.id == 0) {
    raise(cudaErrorStreamCaptureImplicit, "the legacy default stream cannot join a capture");
  }
  stream.capture = event.capture;
  stream.capture->streams.insert(&stream);
  add_new(stream.captured_last, event.captured);
}

}  // namespace softgpu::cudart

using namespace softgpu::cudart;

namespace {

cudaStreamCaptureStatus status_of(const CUstream_st& stream) {
  if (!stream.capture) return cudaStreamCaptureStatusNone;
  return stream.capture->invalid.empty() ? cudaStreamCaptureStatusActive
                                         : cudaStreamCaptureStatusInvalidated;
}

}  // namespace

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return enter([&] { begin(stream_of(stream), mode); });
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  return enter([&] { *graph = end(stream_of(stream)).release(); });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return enter([&] {
    CUstream_st& asked = stream_of(stream);
    forbid_implicit_dependency(asked, "cudaStreamIsCapturing");
    *status = status_of(asked);
  });
}

cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status,
                                     unsigned long long* id, cudaGraph_t* graph,
                                     const cudaGraphNode_t** dependencies,
                                     const cudaGraphEdgeData** edges, size_t* count) {
  return enter([&] {
    CUstream_st& asked = stream_of(stream);
    *status = status_of(asked);
    if (*status != cudaStreamCaptureStatusActive) return;
    if (id) *id = asked.capture->id;
    if (graph) *graph = asked.capture->graph.get();
    if (dependencies) *dependencies = asked.captured_last.data();
    if (edges) *edges = nullptr;
    if (count) *count = asked.captured_last.size();
  });
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  return enter([&] { std::swap(*mode, thread_mode); });
}

}  // extern "C"
