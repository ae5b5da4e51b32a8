// A place in a .cu source, and the end of a launch that went wrong there.
#pragma once

namespace softgpu {

struct Site {
  const char* file;
  int line;
};

// Ends the launch: the message, where, and which thread. Never returns; the host gets it as the
// launch's error.
[[noreturn]] void fail(Site at, const char* format, ...) __attribute__((format(printf, 2, 3)));

}  // namespace softgpu
