#pragma once
// Reads of the system's clocks. For net's loops and the control thread's start-up only: everybody else asks the loop,
// so that the simulator can stand in.

#include <time.h>

#include "base/time.h"

namespace sluice {

// CLOCK_MONOTONIC. Cost: ~25 ns, no system call.
inline Instant read_steady_clock() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return Instant(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

// CLOCK_REALTIME_COARSE: as of the last kernel tick, up to 4 ms old. Cost: ~5 ns, no system call.
inline WallTime read_coarse_wall_clock() {
  timespec time{};
  clock_gettime(CLOCK_REALTIME_COARSE, &time);
  return WallTime(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

}  // namespace sluice
