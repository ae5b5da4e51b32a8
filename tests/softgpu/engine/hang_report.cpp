#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>

#include "engine/scheduler.h"

namespace softgpu {
namespace {

std::string triple(const Dim3& index) {
  char text[48];
  std::snprintf(text, sizeof text, "(%u,%u,%u)", index.x, index.y, index.z);
  return text;
}

struct Place {
  int count = 0;
  const Thread* example = nullptr;
};

}  // namespace

std::string name_of(const Thread& thread) {
  return "block " + triple(thread.block->index) + ", thread " + triple(thread.index);
}

std::string name_of(Site at) {
  return (at.file == nullptr ? "?" : at.file) + (":" + std::to_string(at.line));
}

std::string name_of_adversary() {
  return "seed " + std::to_string(settings.seed) + ", schedule " +
         kScheduleNames[static_cast<int>(settings.schedule)] + ", landing " +
         kLandingNames[static_cast<int>(settings.landing)];
}

std::string describe_waits(const Grid& grid) {
  std::map<std::string, Place> places;
  for (const auto& cluster : grid.resident) {
    for (const auto& block : cluster->blocks) {
      for (const Thread* thread : block->threads) {
        if (thread->exited) continue;
        const char* how = thread->spins ? "spin in " : "wait in ";
        Place& place =
            places[thread->waits_for == nullptr
                       ? "could run"
                       : how + std::string(thread->waits_for) + " at " + name_of(thread->waits_at)];
        if (place.count++ == 0) place.example = thread;
      }
    }
  }
  std::string text;
  for (const auto& [where, place] : places) {
    text += "  " + std::to_string(place.count) + " threads " + where + ", such as " +
            name_of(*place.example) + "\n";
  }
  return text.empty() ? text : text.substr(0, text.size() - 1);
}

}  // namespace softgpu
