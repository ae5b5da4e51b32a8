// One wgmma.mma_async while it is in flight, and the accumulators it adds to.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "engine/site.h"
#include "engine/wgmma.h"
#include "engine/wgmma_operand.h"

namespace softgpu {

constexpr uint32_t kWgmmaRows = 64;
constexpr uint32_t kWgmmaRowsOfWarp = 16;
constexpr uint32_t kWgmmaRegistersOfA = 4;

struct WgmmaAccumulators {
  uint32_t per_thread = 0;        // registers
  std::vector<void*> registers;   // [thread][register]
  std::vector<uint32_t> garbage;  // what they hold while in flight
  std::vector<int32_t> whole;     // [kWgmmaRows][n], for integers
  std::vector<float> real;        // likewise, for floats
  uint32_t in_flight = 0;         // products
};

struct WgmmaProduct {
  WgmmaForm form;
  bool scale_d = false;
  std::vector<std::pair<const char*, OperandChunk>> a, b;  // chunks in host memory
  std::vector<const void*> a_registers;                    // [thread][register]
  std::shared_ptr<WgmmaAccumulators> accumulators;
  bool done = false;
  Site at{};
};

// Elements of k in an instruction.
uint32_t depth(const WgmmaForm& form);

// What the registers hold goes to `whole` or `real`; afterwards they hold garbage.
void take_accumulators(const WgmmaForm& form, WgmmaAccumulators& accumulators);
// Fails if somebody wrote the registers in between.
void check_untouched(const WgmmaAccumulators& accumulators, Site at);
void give_accumulators_back(const WgmmaForm& form, const WgmmaAccumulators& accumulators);

// Multiplies, unless that is done: reads shared memory and A registers now.
void run(WgmmaProduct& product);

}  // namespace softgpu
