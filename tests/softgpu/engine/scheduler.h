// Between the scheduler and what starts, ends and explains a grid.
#pragma once

#include <string>

#include "engine/thread.h"

namespace softgpu {

// From the host's stack: runs threads of the grid until one leaves to the host.
void run_threads(Grid& grid);
// From a thread that goes on never more.
[[noreturn]] void leave_to_host(Grid& grid);
// Where a thread's fiber begins.
void begin_thread();
// Completes or condemns the meetings that wait for a thread that has exited.
void leave_meetings(Thread& exited);
// Forgets how long nothing happened.
void reset_watchdog();

// An ordinary load: a loop of nothing else is a hang.
void watch_read(Site at);

// "block (1,0,0), thread (5,0,0)"
std::string name_of(const Thread& thread);
// "a.cu:12"
std::string name_of(Site at);
// "seed 1, schedule last-in, landing late": how to see an error again.
std::string name_of_adversary();
// Who waits or spins in what, a line for each place.
std::string describe_waits(const Grid& grid);

}  // namespace softgpu
