// Work that has been queued and not run. Nothing runs before somebody has to wait for it, and then
// the adversary chooses what goes next among all that may: what another stream or a missing event
// leaves unordered comes in every order.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <cuda_runtime_api.h>

struct CUstream_st;

namespace softgpu::cudart {

struct Operation;
using OperationPtr = std::shared_ptr<Operation>;
using Operations = std::vector<OperationPtr>;

// What a stream is asked to do.
struct Work {
  std::string name;           // in the list of executed operations; empty: not in it
  cudaGraphNodeType type;     // when it is captured
  std::function<void()> run;  // raises Error
  int device = 0;
};

struct Operation {
  Work work;
  int stream = 0;
  Operations after;  // must be done before
  bool done = false;
  std::chrono::steady_clock::time_point finished;
};

// Queues an operation that runs after those; in eager mode it runs before this returns.
OperationPtr append(Work work, int stream, Operations after);
// Runs what is queued until the operation is done. Raises the error of an operation that failed;
// all others that were queued are then dropped.
void run_until(const OperationPtr& operation);
// All that is queued on a device, also on streams that have been destroyed.
Operations queued_on(int device);
// Runs at most one operation: a host that polls makes progress.
void run_one();
void drop_all();

// What has run, in order.
struct Executed {
  std::string name;
  int stream;
  int device;
};
const std::vector<Executed>& executed();
void forget_executed();

// Whether work runs as soon as it is queued, and all that it comes after.
void set_eager(bool eager);
bool eager();
// The adversary's dice begin anew from settings.seed.
void reseed_queue();

}  // namespace softgpu::cudart
