// The arithmetic of cp.reduce.async.bulk: to[i] = op(to[i], from[i]).
#pragma once

#include <cstdint>

#include "engine/element.h"
#include "engine/tma.h"

namespace softgpu {

// Whether the instruction has this form.
bool can_reduce(BulkOp op, Element element);
void reduce_elements(BulkOp op, Element element, char* to, const char* from, uint32_t bytes);

}  // namespace softgpu
