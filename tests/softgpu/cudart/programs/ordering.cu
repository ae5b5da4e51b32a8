// Streams and events: every scenario is a copy to the device on one stream, and a kernel that uses
// it on another. `bug` plants what leaves the two unordered.
#include <cstring>

#include "cudart/programs/program.h"

// The kernel does not wait for the copy.
PROGRAM event_between_streams(bool bug, int* result) {
  Bench bench;
  TRY(bench.copy_in(bench.first));
  if (!bug) {
    TRY(cudaEventRecord(bench.event, bench.first));
    TRY(cudaStreamWaitEvent(bench.second, bench.event, 0));
  }
  TRY(launch_twice(bench.out, bench.in, bench.second));
  return bench.read(result);
}

// The event is recorded before the copy.
PROGRAM event_after_copy(bool bug, int* result) {
  Bench bench;
  if (bug) TRY(cudaEventRecord(bench.event, bench.first));
  TRY(bench.copy_in(bench.first));
  if (!bug) TRY(cudaEventRecord(bench.event, bench.first));
  TRY(cudaStreamWaitEvent(bench.second, bench.event, 0));
  TRY(launch_twice(bench.out, bench.in, bench.second));
  return bench.read(result);
}

// A stream waits that has nothing to wait for.
PROGRAM wait_on_the_stream_of_the_kernel(bool bug, int* result) {
  Bench bench;
  TRY(bench.copy_in(bench.first));
  TRY(cudaEventRecord(bench.event, bench.first));
  TRY(cudaStreamWaitEvent(bug ? bench.third : bench.second, bench.event, 0));
  TRY(launch_twice(bench.out, bench.in, bench.second));
  return bench.read(result);
}

// The memory goes back while the other stream still needs it.
PROGRAM free_after_use(bool bug, int* result) {
  Bench bench;
  int* memory = nullptr;
  TRY(cudaMallocAsync(&memory, kBytes, bench.first));
  TRY(cudaMemcpyAsync(memory, bench.host, kBytes, cudaMemcpyHostToDevice, bench.first));
  TRY(cudaEventRecord(bench.event, bench.first));
  TRY(cudaStreamWaitEvent(bench.second, bench.event, 0));
  TRY(launch_twice(bench.out, memory, bench.second));
  if (!bug) {
    TRY(cudaEventRecord(bench.other, bench.second));
    TRY(cudaStreamWaitEvent(bench.first, bench.other, 0));
  }
  TRY(cudaFreeAsync(memory, bench.first));
  return bench.read(result);
}

// The memory is used before its allocation has run.
PROGRAM use_after_malloc_async(bool bug, int* result) {
  Bench bench;
  int* memory = nullptr;
  TRY(cudaMallocAsync(&memory, kBytes, bench.first));
  TRY(cudaEventRecord(bench.event, bench.first));
  if (!bug) TRY(cudaStreamWaitEvent(bench.second, bench.event, 0));
  TRY(cudaMemcpyAsync(memory, bench.host, kBytes, cudaMemcpyHostToDevice, bench.second));
  TRY(launch_twice(bench.out, memory, bench.second));
  return bench.read(result);
}

// The host reads the result of a copy that nobody has waited for.
PROGRAM synchronize_before_reading(bool bug, int* result) {
  Bench bench;
  TRY(bench.copy_in(bench.first));
  TRY(launch_twice(bench.out, bench.in, bench.first));
  TRY(cudaMemcpyAsync(bench.back, bench.out, kBytes, cudaMemcpyDeviceToHost, bench.first));
  if (!bug) TRY(cudaStreamSynchronize(bench.first));
  std::memcpy(result, bench.back, kBytes);
  return cudaSuccess;
}

// The host waits for the wrong one of two streams.
PROGRAM synchronize_the_right_stream(bool bug, int* result) {
  Bench bench;
  TRY(bench.copy_in(bench.first));
  TRY(launch_twice(bench.out, bench.in, bench.first));
  TRY(cudaMemcpyAsync(bench.back, bench.out, kBytes, cudaMemcpyDeviceToHost, bench.first));
  TRY(launch_fill(bench.spare, 0, bench.second));
  TRY(cudaStreamSynchronize(bug ? bench.second : bench.first));
  std::memcpy(result, bench.back, kBytes);
  return cudaSuccess;
}

// The host writes to page-locked memory that a copy still has to read.
PROGRAM keep_the_source_of_a_copy(bool bug, int* result) {
  Bench bench;
  TRY(bench.copy_in(bench.first));
  TRY(launch_twice(bench.out, bench.in, bench.first));
  if (!bug) TRY(cudaStreamSynchronize(bench.first));
  std::memset(bench.host, 0, kBytes);
  return bench.read(result);
}

// Work on the default stream, and then on a stream that does not wait for it.
PROGRAM default_stream_orders_blocking_streams(bool bug, int* result) {
  Bench bench(bug ? cudaStreamNonBlocking : cudaStreamDefault);
  TRY(bench.copy_in(nullptr));
  TRY(launch_twice(bench.out, bench.in, bench.first));
  TRY(launch_twice(bench.out, bench.out, nullptr));
  return bench.read(result);
}

// cudaMemcpy from pageable memory may return before the data has arrived: the default stream waits
// for it, others do not.
PROGRAM pageable_copy_is_in_the_default_stream(bool bug, int* result) {
  Bench bench;
  std::vector<int> pageable(bench.host, bench.host + kCount);
  TRY(cudaMemcpy(bench.in, pageable.data(), kBytes, cudaMemcpyHostToDevice));
  pageable.assign(kCount, 0);  // it has been read, though
  TRY(launch_twice(bench.out, bench.in, bug ? bench.first : nullptr));
  return bench.read(result);
}

// A second device's memory.
PROGRAM memory_of_the_device(bool bug, int* result) {
  Bench bench;
  TRY(bench.copy_in(nullptr));
  TRY(cudaDeviceSynchronize());
  TRY(cudaSetDevice(1));
  int* there = nullptr;
  TRY(cudaMalloc(&there, kBytes));
  TRY(cudaMemcpy(there, bench.in, kBytes, cudaMemcpyDeviceToDevice));
  TRY(launch_twice(there, bug ? bench.in : there, nullptr));
  TRY(cudaMemcpy(result, there, kBytes, cudaMemcpyDeviceToHost));
  TRY(cudaFree(there));
  return cudaSetDevice(0);
}

// Host functions take their turn.
PROGRAM host_function_in_its_stream(bool bug, int* result) {
  Bench bench;
  const auto write = [](void* memory) {
    for (int i = 0; i < kCount; ++i) static_cast<int*>(memory)[i] = i;
  };
  std::memset(bench.host, 0, kBytes);
  TRY(cudaLaunchHostFunc(bug ? bench.second : bench.first, write, bench.host));
  TRY(bench.copy_in(bench.first));
  TRY(launch_twice(bench.out, bench.in, bench.first));
  return bench.read(result);
}

// A stream may be destroyed while it has work.
PROGRAM destroyed_stream_finishes_its_work(bool, int* result) {
  Bench bench;
  cudaStream_t stream = nullptr;
  TRY(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  TRY(bench.copy_in(stream));
  TRY(launch_twice(bench.out, bench.in, stream));
  TRY(cudaStreamDestroy(stream));
  return bench.read(result);
}
