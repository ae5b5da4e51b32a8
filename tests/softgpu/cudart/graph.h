// CUDA graphs: captures in progress, graphs, and graphs made ready to launch.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "cudart/queue.h"

struct CUevent_st;

struct CUgraphNode_st {
  softgpu::cudart::Work work;
  std::vector<CUgraphNode_st*> after;
};

struct CUgraph_st {
  std::vector<std::unique_ptr<CUgraphNode_st>> nodes;  // each after those it depends on
  CUgraphNode_st* add(softgpu::cudart::Work work, std::vector<CUgraphNode_st*> after);
};

struct CUgraphExec_st {
  std::unique_ptr<CUgraph_st> graph;
  softgpu::cudart::OperationPtr last_launch;  // launches of one executable graph do not overlap
};

namespace softgpu::cudart {

// A capture in progress.
struct Capture {
  uint64_t id = 0;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id thread;
  CUstream_st* origin = nullptr;
  std::set<CUstream_st*> streams;  // those that joined it
  std::unique_ptr<CUgraph_st> graph;
  std::string invalid;  // why it cannot become a graph, or empty
  bool ended = false;
};

// An operation that a capture forbids to this thread while it goes on: it could wait for work that
// does not run. Raises, and the captures become invalid.
void forbid_while_capturing(const char* function);
// The same for a function that waits for, or asks about, one stream.
void forbid_on_capturing(CUstream_st& stream, const char* function);
// The legacy default stream would wait for a blocking stream that captures.
void forbid_implicit_dependency(const CUstream_st& stream, const char* function);

// Ends all captures; nothing comes of them.
void drop_captures();

void capture_work(CUstream_st& stream, Work work);
// cudaEventRecord and cudaStreamWaitEvent, where a capture has a part in it.
void capture_record(CUstream_st& stream, CUevent_st& event);
void capture_wait(CUstream_st& stream, CUevent_st& event);

}  // namespace softgpu::cudart
