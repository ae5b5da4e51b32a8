// Captures and their replay.
#include <cstring>

#include "cudart/programs/program.h"

namespace {

// The launches of `record`, captured on `origin`, made ready to launch.
template <class Record>
cudaError_t capture(cudaGraphExec_t* executable, cudaStream_t origin, Record record) {
  TRY(cudaStreamBeginCapture(origin, cudaStreamCaptureModeGlobal));
  const cudaError_t recorded = record();
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(origin, &graph);
  if (recorded) return recorded;
  if (ended) return ended;
  TRY(cudaGraphInstantiate(executable, graph, 0));
  return cudaGraphDestroy(graph);
}

}  // namespace

// The copy on one stream and the kernel on another. `bug` 1: the other stream is not forked off, so
// that its kernel runs at once and is not in the graph. 2: it is not joined again. 3: its kernel
// does not wait for the copy.
PROGRAM fork_and_join(int bug, int* result) {
  Bench bench;
  cudaGraphExec_t executable = nullptr;
  TRY(capture(&executable, bench.first, [&] {
    if (bug == 3) {
      TRY(cudaEventRecord(bench.event, bench.first));
      TRY(cudaStreamWaitEvent(bench.second, bench.event, 0));
    }
    TRY(bench.copy_in(bench.first));
    if (bug == 0 || bug == 2) {
      TRY(cudaEventRecord(bench.event, bench.first));
      TRY(cudaStreamWaitEvent(bench.second, bench.event, 0));
    }
    TRY(launch_twice(bench.out, bench.in, bench.second));
    if (bug == 0 || bug == 3) {
      TRY(cudaEventRecord(bench.other, bench.second));
      TRY(cudaStreamWaitEvent(bench.first, bench.other, 0));
    }
    return cudaSuccess;
  }));
  TRY(cudaGraphLaunch(executable, bench.first));
  TRY(bench.read(result));
  return cudaGraphExecDestroy(executable);
}

// Three replays; the input changes between them, the graph does not.
PROGRAM replay_with_new_input(int* result) {
  Bench bench;
  cudaGraphExec_t executable = nullptr;
  TRY(capture(&executable, bench.first, [&] {
    TRY(bench.copy_in(bench.first));
    TRY(cudaMemsetAsync(bench.out, 0, kBytes, bench.first));
    TRY(launch_twice(bench.out, bench.in, bench.first));
    TRY(launch_twice(bench.out, bench.out, bench.first));
    return cudaMemcpyAsync(bench.back, bench.out, kBytes, cudaMemcpyDeviceToHost, bench.first);
  }));
  for (int replay = 0; replay < 3; ++replay) {
    for (int i = 0; i < kCount; ++i) bench.host[i] = 1000 * replay + i;
    TRY(cudaGraphLaunch(executable, bench.first));
    TRY(cudaStreamSynchronize(bench.first));
    std::memcpy(result + replay * kCount, bench.back, kBytes);
  }
  return cudaGraphExecDestroy(executable);
}

// A capture does nothing by itself; a kernel's arguments are those of the capture.
PROGRAM capture_runs_nothing(int* result, size_t* nodes) {
  Bench bench;
  TRY(cudaStreamBeginCapture(bench.first, cudaStreamCaptureModeGlobal));
  int value = 7;
  TRY(launch_fill(bench.out, value, bench.first));
  value = 8;
  TRY(launch_fill(bench.in, value, bench.first));
  cudaGraph_t graph = nullptr;
  TRY(cudaStreamEndCapture(bench.first, &graph));
  TRY(cudaGraphGetNodes(graph, nullptr, nodes));
  TRY(cudaGraphDestroy(graph));
  return bench.read(result);
}

enum class While { kSynchronize, kMalloc, kQuery, kMemcpy, kLegacyLaunch, kOutsideEvent, kTwice };

// What a capture forbids. Returns the error of the call itself; `end` gets that of the capture.
PROGRAM while_capturing(While what, int* end) {
  Bench bench(cudaStreamDefault);
  void* memory = nullptr;
  TRY(cudaEventRecord(bench.event, bench.second));
  TRY(cudaStreamBeginCapture(bench.first, cudaStreamCaptureModeGlobal));
  TRY(launch_fill(bench.out, 7, bench.first));
  const cudaError_t status = [&] {
    switch (what) {
      case While::kSynchronize: return cudaStreamSynchronize(bench.first);
      case While::kMalloc: return cudaMalloc(&memory, kBytes);
      case While::kQuery: return cudaStreamQuery(bench.first);
      case While::kMemcpy: return cudaMemcpy(bench.back, bench.out, kBytes, cudaMemcpyDeviceToHost);
      case While::kLegacyLaunch: return launch_fill(bench.in, 7, nullptr);
      case While::kOutsideEvent: return cudaStreamWaitEvent(bench.first, bench.event, 0);
      case While::kTwice: return cudaStreamBeginCapture(bench.first, cudaStreamCaptureModeGlobal);
    }
    return cudaErrorUnknown;
  }();
  cudaGraph_t graph = nullptr;
  *end = cudaStreamEndCapture(bench.first, &graph);
  if (graph) TRY(cudaGraphDestroy(graph));
  cudaGetLastError();
  return status;
}

// A relaxed capture lets its thread allocate.
PROGRAM relaxed_capture_allows_malloc() {
  Bench bench;
  int* memory = nullptr;
  TRY(cudaStreamBeginCapture(bench.first, cudaStreamCaptureModeRelaxed));
  TRY(cudaMalloc(&memory, kBytes));
  TRY(launch_fill(memory, 7, bench.first));
  cudaGraph_t graph = nullptr;
  TRY(cudaStreamEndCapture(bench.first, &graph));
  TRY(cudaGraphDestroy(graph));
  return cudaFree(memory);
}

// A graph launched into a capture becomes part of it.
PROGRAM graph_in_a_graph(int* result) {
  Bench bench;
  cudaGraphExec_t inner = nullptr;
  cudaGraphExec_t outer = nullptr;
  TRY(capture(&inner, bench.first,
              [&] { return launch_twice(bench.out, bench.out, bench.first); }));
  TRY(capture(&outer, bench.first, [&] {
    TRY(bench.copy_in(bench.first));
    TRY(launch_twice(bench.out, bench.in, bench.first));
    TRY(cudaGraphLaunch(inner, bench.first));
    return cudaGraphLaunch(inner, bench.first);
  }));
  TRY(cudaGraphLaunch(outer, bench.first));
  TRY(bench.read(result));
  TRY(cudaGraphExecDestroy(inner));
  return cudaGraphExecDestroy(outer);
}
