#include "cudart/control.h"

#include <functional>
#include <map>
#include <string>

#include "cudart/allocations.h"
#include "cudart/device.h"
#include "cudart/graph.h"
#include "cudart/queue.h"
#include "cudart/runtime.h"
#include "engine/settings.h"

namespace softgpu::cudart {

namespace {

void* current_streams[kMaxDevices] = {};

struct Setting {
  std::function<int64_t()> get;
  std::function<void(int64_t)> set;
};

template <class T>
Setting plain(T& variable) {
  return {[&variable] { return static_cast<int64_t>(variable); },
          [&variable](int64_t value) { variable = static_cast<T>(value); }};
}

const std::map<std::string, Setting>& all_settings() {
  static const std::map<std::string, Setting> all = {
      {"seed",
       {[] { return static_cast<int64_t>(settings.seed); },
        [](int64_t value) {
          settings.seed = static_cast<uint64_t>(value);
          reseed_queue();
        }}},
      {"schedule", plain(settings.schedule)},
      {"landing", plain(settings.landing)},
      {"race", plain(settings.race)},
      {"count", plain(settings.count)},
      {"resident_blocks", plain(settings.resident_blocks)},
      {"patience", plain(settings.patience)},
      {"eager", {[] { return int64_t{eager()}; }, [](int64_t value) { set_eager(value != 0); }}},
      {"devices", plain(machine.devices)},
      {"capability", plain(machine.capability)},
      {"driver", plain(machine.driver)},
      {"multiprocessors", plain(machine.multiprocessors)},
  };
  return all;
}

const Setting* find(const char* name) {
  const auto found = all_settings().find(name);
  return found == all_settings().end() ? nullptr : &found->second;
}

}  // namespace

}  // namespace softgpu::cudart

using namespace softgpu::cudart;

extern "C" {

int softgpu_set(const char* name, int64_t value) {
  const Setting* const setting = find(name);
  if (!setting) return -1;
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  setting->set(value);
  return 0;
}

int softgpu_get(const char* name, int64_t* value) {
  const Setting* const setting = find(name);
  if (!setting) return -1;
  *value = setting->get();
  return 0;
}

void softgpu_reset() {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  drop_all();
  drop_captures();
  forget_errors();
  forget_executed();
  reseed_queue();
  cudaSetDevice(0);
}

const char* softgpu_last_error() { return state().text.c_str(); }

int softgpu_lend(void* memory, uint64_t bytes, int writable, const char* name) {
  return guard([&] { adopt(memory, bytes, Kind::kLent, writable != 0, name); });
}

int softgpu_take_back(void* memory) {
  return guard([&] { disown(memory); });
}

int64_t softgpu_executed_count() { return static_cast<int64_t>(executed().size()); }

SoftgpuExecuted softgpu_executed(int64_t index) {
  const Executed& one = executed().at(static_cast<size_t>(index));
  return {one.name.c_str(), one.stream, one.device};
}

void* softgpu_current_stream(int device) { return current_streams[device]; }
void softgpu_set_current_stream(int device, void* stream) { current_streams[device] = stream; }

}  // extern "C"
