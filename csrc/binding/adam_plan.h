// Tables of an optimizer's tensors, kept from one step to the next (adam_plan.cpp).
#pragma once

#include <cstdint>

#include "core/host_device.h"

namespace halfword::binding {

// Forgets a plan. A number that is none is ignored.
HALFWORD_EXPORT void forget_adam_plan(int64_t number);

}  // namespace halfword::binding
