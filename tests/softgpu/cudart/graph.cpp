// Graphs: a launch queues every node, and the adversary runs them in any order that their
// dependencies allow.
#include "cudart/graph.h"

#include <algorithm>
#include <map>

#include "cudart/runtime.h"
#include "cudart/stream.h"

CUgraphNode_st* CUgraph_st::add(softgpu::cudart::Work work, std::vector<CUgraphNode_st*> after) {
  nodes.push_back(std::make_unique<CUgraphNode_st>());
  nodes.back()->work = std::move(work);
  nodes.back()->after = std::move(after);
  return nodes.back().get();
}

namespace softgpu::cudart {

namespace {

// A graph's nodes added to a graph that is being captured.
void capture_launch(const CUgraph_st& graph, CUstream_st& stream) {
  const std::vector<CUgraphNode_st*> before = stream.captured_last;
  std::map<const CUgraphNode_st*, CUgraphNode_st*> copies;
  std::vector<CUgraphNode_st*> all = before;
  for (const auto& node : graph.nodes) {
    std::vector<CUgraphNode_st*> after = node->after.empty() ? before : node->after;
    if (!node->after.empty()) {
      for (CUgraphNode_st*& earlier : after) earlier = copies.at(earlier);
    }
    all.push_back(copies[node.get()] = stream.capture->graph->add(node->work, std::move(after)));
  }
  stream.captured_last = std::move(all);
}

std::unique_ptr<CUgraph_st> copy_of(const CUgraph_st& graph) {
  auto copy = std::make_unique<CUgraph_st>();
  std::map<const CUgraphNode_st*, CUgraphNode_st*> copies;
  for (const auto& node : graph.nodes) {
    std::vector<CUgraphNode_st*> after = node->after;
    for (CUgraphNode_st*& earlier : after) earlier = copies.at(earlier);
    copies[node.get()] = copy->add(node->work, std::move(after));
  }
  return copy;
}

void launch(CUgraphExec_st& executable, CUstream_st& stream) {
  forbid_implicit_dependency(stream, "cudaGraphLaunch");
  if (stream.capture) return capture_launch(*executable.graph, stream);
  Operations before = order_on(stream);
  before.push_back(executable.last_launch);
  const OperationPtr begin = append(nothing(stream), stream.id, std::move(before));
  std::map<const CUgraphNode_st*, OperationPtr> queued;
  Operations all{begin};
  for (const auto& node : executable.graph->nodes) {
    Operations after{begin};
    for (const CUgraphNode_st* earlier : node->after) after.push_back(queued.at(earlier));
    all.push_back(queued[node.get()] = append(node->work, stream.id, std::move(after)));
  }
  stream.last = executable.last_launch = append(nothing(stream), stream.id, std::move(all));
}

void instantiate(cudaGraphExec_t* executable, cudaGraph_t graph) {
  auto made = std::make_unique<CUgraphExec_st>();
  made->graph = copy_of(*graph);
  *executable = made.release();
}

}  // namespace

}  // namespace softgpu::cudart

using namespace softgpu::cudart;

extern "C" {

cudaError_t cudaGraphCreate(cudaGraph_t* graph, unsigned) {
  return enter([&] { *graph = new CUgraph_st; });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return enter([&] { delete graph; });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  return enter([&] { instantiate(executable, graph); });
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph,
                                          unsigned long long) {
  return enter([&] { instantiate(executable, graph); });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  return enter([&] { delete executable; });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) {
  return enter([] {});
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  return enter([&] { launch(*executable, stream_of(stream)); });
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  return enter([&] {
    const size_t all = graph->nodes.size();
    if (nodes) {
      for (size_t i = 0; i < std::min(*count, all); ++i) nodes[i] = graph->nodes[i].get();
    }
    *count = all;
  });
}

cudaError_t cudaGraphNodeGetType(cudaGraphNode_t node, cudaGraphNodeType* type) {
  return enter([&] { *type = node->work.type; });
}

cudaError_t cudaGraphNodeGetDependencies(cudaGraphNode_t node, cudaGraphNode_t* dependencies,
                                         cudaGraphEdgeData*, size_t* count) {
  return enter([&] {
    const size_t all = node->after.size();
    if (dependencies) {
      for (size_t i = 0; i < std::min(*count, all); ++i) dependencies[i] = node->after[i];
    }
    *count = all;
  });
}

}  // extern "C"
