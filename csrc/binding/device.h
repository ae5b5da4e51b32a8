// The device whose ops a library holds. Every op is bound once, in <op>.cpp, and compiled into one
// library a device: device_cpu.cpp makes it libhalfword_cpu.so, device_cuda.cpp
// libhalfword_cuda.so.
#pragma once

#include <cstdint>

#include "binding/every_op.h"

namespace halfword::binding {

extern const char* const kNamespace;
extern const char* const kDispatchKey;
extern const bool kHostReadsTensors;    // without waiting for the device
extern const Int8Layout kPackedLayout;  // of pack_int8 here
extern const int64_t
    kPlanNumberStep;  // of an optimizer's plans: positive on the CPU, else negative

// As torch's C ABI numbers it.
int32_t device_type();

// The kernels of an op, on device number `device`.
#define HALFWORD_DECLARE_RUN(Params, stem) void run(const Params& params, int32_t device);
HALFWORD_EVERY_OP(HALFWORD_DECLARE_RUN)
#undef HALFWORD_DECLARE_RUN

}  // namespace halfword::binding
