// What the adversary does. Read from the environment at the start: SOFTGPU_SEED, _SCHEDULE,
// _LANDING, _RACE, _COUNT, _RESIDENT_BLOCKS, _PATIENCE; tests change it between launches.
#pragma once

#include <cstdint>

namespace softgpu {

// Who goes on when several threads can.
enum class Schedule : int32_t {
  kFirstIn,   // the one that waits longest
  kLastIn,    // the one that became ready last: warps run far apart
  kRandom,    //
  kPriority,  // random priorities a warp, sometimes redrawn: starves some for as long as it can
};

// When asynchronous copies land and asynchronous products run.
enum class Landing : int32_t { kEarly, kLate, kMixed };

struct Settings {
  uint64_t seed;
  Schedule schedule;
  Landing landing;
  bool race;                // look for data races
  bool count;               // count bytes and sectors
  int32_t resident_blocks;  // how many blocks run at the same time, clusters rounded up
  int64_t patience;         // switches without progress until the watchdog calls it a hang
};

// As in the environment and in messages.
constexpr const char* kScheduleNames[] = {"first-in", "last-in", "random", "priority"};
constexpr const char* kLandingNames[] = {"early", "late", "mixed"};

extern Settings settings;

// The adversary's dice, seeded anew by every launch from settings.seed.
uint64_t random_word();
void seed_dice();
inline bool lands_late() {
  return settings.landing == Landing::kLate ||
         (settings.landing == Landing::kMixed && random_word() % 2 != 0);
}

}  // namespace softgpu
