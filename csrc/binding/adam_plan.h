// Tables of an optimizer's tensors, kept from one step to the next (adam_plan.cpp).
#pragma once

#include <cstdint>

#include "core/host_device.h"

// Forgets a plan of this library. A number that is none is ignored. A C function, because Python
// finds it in the CUDA library by its name.
extern "C" HALFWORD_EXPORT void halfword_forget_adam_plan(int64_t number);
