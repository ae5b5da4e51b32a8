// ldmatrix, stmatrix, movmatrix: 8x8 matrices of 16-bit elements between shared memory and the
// registers of a warp.
#pragma once

#include <cstdint>

#include "engine/site.h"

namespace softgpu {

struct Thread;

// ldmatrix.sync.aligned.m8n8.x{count}{.trans}.shared.b16: count is 1, 2 or 4; `registers` has
// count of them.
void ldmatrix(Thread& self, uint32_t* registers, int count, bool transposed, uint32_t address,
              Site at);
// stmatrix.sync.aligned.m8n8.x{count}{.trans}.shared.b16
void stmatrix(Thread& self, const uint32_t* registers, int count, bool transposed, uint32_t address,
              Site at);
// movmatrix.sync.aligned.m8n8.trans.b16
uint32_t movmatrix(Thread& self, uint32_t source, Site at);

}  // namespace softgpu
