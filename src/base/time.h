#pragma once
// Points in time as the house uses them. Nobody reads the system's clock but a net::Loop (and the simulator behind it):
// these types have no now().

#include <chrono>

namespace sluice {

// The clock of timeouts: never jumps, starts anywhere.
struct SteadyClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<SteadyClock>;
  static constexpr bool is_steady = true;
};
using Instant = SteadyClock::time_point;
using Duration = std::chrono::nanoseconds;

// The clock of log lines, certificates and dates: nanoseconds since 1970-01-01 UTC; may jump.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

}  // namespace sluice
