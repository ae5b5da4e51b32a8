// mbarriers: one thread executes a list of instructions and keeps what they return.
#include "conformance/buffers.cuh"
#include "kernels/ptx.cuh"

namespace {

enum Operation {
  kArrive,            // count
  kArriveNoComplete,  // count
  kArriveDrop,
  kExpectTx,              // bytes
  kCompleteTx,            // bytes
  kArriveExpectTx,        // bytes
  kTestWait,              // by the token of an earlier step
  kTestWaitParity,        // parity
  kTryWait,               // by the token of an earlier step
  kTryWaitParity,         // parity
  kPendingCount,          // in the token of an earlier step
  kCopyThenArrive,        // cp.async, then cp.async.mbarrier.arrive.noinc
  kCopyThenArriveAndAdd,  // the same without .noinc
};

struct Step {
  int operation;
  int argument;
};

__device__ bool test_wait(uint32_t barrier, uint64_t token) {
  uint32_t done;
  asm volatile(
      "{\n .reg .pred p;\n mbarrier.test_wait.shared::cta.b64 p, [%1], %2;\n"
      " selp.u32 %0, 1, 0, p;\n}"
      : "=r"(done)
      : "r"(barrier), "l"(token)
      : "memory");
  return done != 0;
}
__device__ bool test_wait_parity(uint32_t barrier, uint32_t parity) {
  uint32_t done;
  asm volatile(
      "{\n .reg .pred p;\n mbarrier.test_wait.parity.shared::cta.b64 p, [%1], %2;\n"
      " selp.u32 %0, 1, 0, p;\n}"
      : "=r"(done)
      : "r"(barrier), "r"(parity)
      : "memory");
  return done != 0;
}
__device__ bool try_wait(uint32_t barrier, uint64_t token) {
  uint32_t done;
  asm volatile(
      "{\n .reg .pred p;\n mbarrier.try_wait.shared::cta.b64 p, [%1], %2, 1000;\n"
      " selp.u32 %0, 1, 0, p;\n}"
      : "=r"(done)
      : "r"(barrier), "l"(token)
      : "memory");
  return done != 0;
}

__device__ uint64_t arrive(uint32_t barrier, uint32_t count) {
  uint64_t token;
  asm volatile("mbarrier.arrive.shared::cta.b64 %0, [%1], %2;"
               : "=l"(token)
               : "r"(barrier), "r"(count)
               : "memory");
  return token;
}
__device__ uint64_t arrive_no_complete(uint32_t barrier, uint32_t count) {
  uint64_t token;
  asm volatile("mbarrier.arrive.noComplete.shared::cta.b64 %0, [%1], %2;"
               : "=l"(token)
               : "r"(barrier), "r"(count)
               : "memory");
  return token;
}
__device__ uint64_t arrive_drop(uint32_t barrier) {
  uint64_t token;
  asm volatile("mbarrier.arrive_drop.shared::cta.b64 %0, [%1];"
               : "=l"(token)
               : "r"(barrier)
               : "memory");
  return token;
}
__device__ uint32_t pending_count(uint64_t token) {
  uint32_t count;
  asm volatile("mbarrier.pending_count.b64 %0, %1;" : "=r"(count) : "l"(token));
  return count;
}

// Returns a token, or what a query says.
__device__ uint64_t execute(uint32_t barrier, uint32_t scratch, const char* source, Step step,
                            const uint64_t* results) {
  const uint32_t argument = step.argument;
  switch (step.operation) {
    case kArrive: return arrive(barrier, argument);
    case kArriveNoComplete: return arrive_no_complete(barrier, argument);
    case kArriveDrop: return arrive_drop(barrier);
    case kExpectTx:
      asm volatile("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(barrier),
                   "r"(argument)
                   : "memory");
      return 0;
    case kCompleteTx:
      asm volatile("mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(barrier),
                   "r"(argument)
                   : "memory");
      return 0;
    case kArriveExpectTx: return ptx::mbarrier_arrive_expect_tx(barrier, argument);
    case kTestWait: return test_wait(barrier, results[argument]);
    case kTestWaitParity: return test_wait_parity(barrier, argument);
    case kTryWait: return try_wait(barrier, results[argument]);
    case kTryWaitParity: return ptx::mbarrier_try_wait_parity(barrier, argument);
    case kPendingCount: return pending_count(results[argument]);
    case kCopyThenArrive:
      ptx::cp_async_16(scratch, source);
      asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(barrier) : "memory");
      return 0;
    default:
      ptx::cp_async_16(scratch, source);
      asm volatile("cp.async.mbarrier.arrive.shared.b64 [%0];" ::"r"(barrier) : "memory");
      return 0;
  }
}

__global__ void mbarrier_kernel(uint32_t count, const Step* steps, int n, const char* source,
                                uint64_t* results) {
  __shared__ uint64_t barrier;
  __shared__ __align__(16) char scratch[16];
  const uint32_t address = ptx::shared_address(&barrier);
  ptx::mbarrier_init(address, count);
  for (int i = 0; i < n; ++i) {
    results[i] = execute(address, ptx::shared_address(scratch), source, steps[i], results);
  }
  asm volatile("cp.async.wait_all;" ::: "memory");
  ptx::mbarrier_inval(address);
}

// Every thread copies a chunk, and waits on the mbarrier for all of them.
__global__ void copies_kernel(const char* from, char* to) {
  constexpr int kChunk = 16;
  __shared__ uint64_t barrier;
  __shared__ __align__(kChunk) char memory[64 * kChunk];
  const int t = threadIdx.x, other = (t + 1) % 64;
  if (t == 0) ptx::mbarrier_init(ptx::shared_address(&barrier), 64);
  __syncthreads();
  ptx::cp_async_16(ptx::shared_address(memory + t * kChunk), from + t * kChunk);
  asm volatile(
      "cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(ptx::shared_address(&barrier))
      : "memory");
  ptx::mbarrier_wait_parity(ptx::shared_address(&barrier), 0);
  for (int i = 0; i < kChunk; ++i) to[other * kChunk + i] = memory[other * kChunk + i];
}

}  // namespace

// Results: a token of each arrival (an opaque number), 0 or 1 of a wait, a count.
CONFORMANCE_API int run_mbarrier(int count, int* steps, int n, uint64_t* results) {
  static_assert(sizeof(Step) == 2 * sizeof(int));
  char zeros[16] = {};
  conformance::Buffer<int> program(steps, size_t(2 * n));
  conformance::Buffer<uint64_t> out(results, n);
  conformance::Buffer<char> source(zeros, sizeof zeros);
  mbarrier_kernel<<<1, 1>>>(count, reinterpret_cast<const Step*>(program.device()), n,
                            source.device(), out.device());
  const int status = conformance::finish();
  out.copy_back();
  return status;
}

// from, to: [64][16]
CONFORMANCE_API int run_copies_on_mbarrier(char* from, char* to) {
  conformance::Buffer<char> in(from, 64 * 16), out(to, 64 * 16);
  copies_kernel<<<1, 64>>>(in.device(), out.device());
  const int status = conformance::finish();
  out.copy_back();
  return status;
}
