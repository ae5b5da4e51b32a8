// One spelling for a function that a CPU kernel and a CUDA kernel both inline.
//
// Always inlined, so that a file compiled for a newer instruction set leaves no copy of it behind
// that the linker could pick for an older machine.
#pragma once

#if defined(__CUDACC__)
#define HALFWORD_INLINE __host__ __device__ __forceinline__
#else
#define HALFWORD_INLINE __attribute__((always_inline)) inline
#endif

// A function that another of our libraries calls.
#define HALFWORD_EXPORT __attribute__((visibility("default")))
