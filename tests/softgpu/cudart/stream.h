// Streams and events, and what orders the work on them.
#pragma once

#include <memory>
#include <vector>

#include "cudart/graph.h"
#include "cudart/queue.h"

struct CUstream_st {
  int id = 0;
  int device = 0;
  bool blocking = true;  // ordered with the legacy default stream
  int priority = 0;
  softgpu::cudart::OperationPtr last;
  std::shared_ptr<softgpu::cudart::Capture> capture;  // in progress, or null
  std::vector<CUgraphNode_st*> captured_last;         // what the next captured node comes after
};

struct CUevent_st {
  int device = 0;
  bool timing = true;
  softgpu::cudart::OperationPtr recorded;  // null: never, or last in a capture
  std::shared_ptr<softgpu::cudart::Capture> capture;
  std::vector<CUgraphNode_st*> captured;  // what a wait for the event waits for
};

namespace softgpu::cudart {

// A stream by its handle: 0 and cudaStreamLegacy are the current device's legacy default stream,
// cudaStreamPerThread its other default stream. Raises cudaErrorInvalidResourceHandle if there is
// no such stream.
CUstream_st& stream_of(cudaStream_t handle);
CUevent_st& event_of(cudaEvent_t handle);
CUstream_st& legacy_stream(int device);

// What work on the stream comes after: the stream's own, and for the legacy default stream that of
// all blocking streams, which in turn come after it.
Operations order_on(const CUstream_st& stream);

// What a host that waits for the stream waits for.
Operations before_now(const CUstream_st& stream);

// Queues work on a stream, or adds it to the graph that the stream captures.
void submit(CUstream_st& stream, Work work);
// An operation of the stream that only has its place in the order.
Work nothing(const CUstream_st& stream);
// A point on the stream: done when all before it is.
OperationPtr mark(CUstream_st& stream);

void synchronize(CUstream_st& stream);
void synchronize_device(int device);

// Streams of a device in the order of their creation, the default ones first.
std::vector<CUstream_st*> streams_of(int device);

}  // namespace softgpu::cudart
