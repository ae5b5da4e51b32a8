#include "engine/settings.h"

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

namespace softgpu {
namespace {

uint64_t dice = 1;

template <size_t count>
int choice(const char* variable, const char* const (&names)[count], int otherwise) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value == 0) return otherwise;
  std::string known;
  int index = 0;
  for (const char* name : names) {
    if (std::strcmp(name, value) == 0) return index;
    ++index;
    known += std::string(" ") + name;
  }
  throw std::invalid_argument(std::string(variable) + " must be one of" + known + "; got " + value);
}

int64_t number(const char* variable, int64_t otherwise) {
  const char* value = std::getenv(variable);
  return value == nullptr || *value == 0 ? otherwise : std::strtoll(value, nullptr, 0);
}

Settings from_environment() {
  Settings result;
  result.seed = static_cast<uint64_t>(number("SOFTGPU_SEED", 1));
  result.schedule = static_cast<Schedule>(choice("SOFTGPU_SCHEDULE", kScheduleNames, 0));
  result.landing = static_cast<Landing>(choice("SOFTGPU_LANDING", kLandingNames, 1));
  result.race = number("SOFTGPU_RACE", 0) != 0;
  result.count = number("SOFTGPU_COUNT", 0) != 0;
  result.resident_blocks = static_cast<int32_t>(number("SOFTGPU_RESIDENT_BLOCKS", 4));
  result.patience = number("SOFTGPU_PATIENCE", 4'000'000);
  return result;
}

}  // namespace

Settings settings = from_environment();

// xorshift64
uint64_t random_word() {
  dice ^= dice << 13;
  dice ^= dice >> 7;
  dice ^= dice << 17;
  return dice;
}

void seed_dice() {
  // splitmix64: near seeds give unlike sequences, and the state is never 0 by chance alone
  uint64_t word = settings.seed + 0x9e3779b97f4a7c15u;
  word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9u;
  word = (word ^ word >> 27) * 0x94d049bb133111ebu;
  dice = (word ^ word >> 31) | 1;
}

}  // namespace softgpu
