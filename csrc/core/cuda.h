// What the house says about CUDA without CUDA's headers.
#pragma once

#include <cstddef>
#include <cstdint>

struct CUstream_st;

namespace halfword {

using CudaStream = CUstream_st*;
using CudaStatus = int32_t;  // a cudaError_t: 0 is success

// What a launcher works with beside its parameters: memory of the device that is current, which
// the caller provides and which is used in the order of the stream.
struct CudaLaunch {
  uint64_t* table;  // the words of the op's tensor table
  void* scratch;    // as many bytes as the op's <op>_scratch_bytes says, of any content
  CudaStream stream;
};

// Copies words to the device in the order of the stream. They are read before the call returns, so
// that it may be captured in a graph and replayed.
CudaStatus upload_words_cuda(uint64_t* device, const uint64_t* words, size_t count,
                             CudaStream stream);

// Whether work that is submitted to the stream becomes part of a graph.
bool stream_is_capturing_cuda(CudaStream stream);

// Why the current device cannot run our kernels and what to do, or null if it can.
const char* device_problem_cuda();

// A status in words; forgets it, so that the next call does not report it again.
const char* status_text_cuda(CudaStatus status);

// Memory of the current device, used in the order of the stream, for tables that are kept. Not
// torch's: a pool of torch's may be taken back as a whole, as the one of a graph's warm-up is.
CudaStatus allocate_cuda(size_t bytes, CudaStream stream, void** memory);
void release_cuda(void* memory, CudaStream stream);

}  // namespace halfword
