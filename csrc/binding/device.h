// The device whose ops a library holds. Every op is bound once, in <op>.cpp, and compiled into one
// library a device: device_cpu.cpp makes it libhalfword_cpu.so, device_cuda.cpp
// libhalfword_cuda.so.
#pragma once

#include <cstdint>

#include "ops/accumulate_grads.h"
#include "ops/adam_step.h"
#include "ops/unscale_check.h"
#include "ops/update_scale.h"

namespace halfword::binding {

extern const char* const kNamespace;
extern const char* const kDispatchKey;
extern const bool kHostReadsTensors;  // without waiting for the device
extern const int64_t
    kPlanNumberStep;  // of an optimizer's plans: positive on the CPU, else negative

// As torch's C ABI numbers it.
int32_t device_type();

// The kernels of an op, on device number `device`.
void run(const AccumulateGradsParams& params, int32_t device);
void run(const AdamStepParams& params, int32_t device);
void run(const UnscaleCheckParams& params, int32_t device);
void run(const UpdateScaleParams& params, int32_t device);

}  // namespace halfword::binding
