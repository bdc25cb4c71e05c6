#include "net/alarm.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>

namespace sluice::net {

Alarm::Alarm() : descriptor_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {}

Alarm::~Alarm() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void Alarm::set(Instant at) {
  if (at >= rings_at_) return;
  rings_at_ = at;
  const Duration since = std::max(at.time_since_epoch(), Duration(1));  // zero would disarm
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  const itimerspec time{.it_interval = {},
                        .it_value = {.tv_sec = seconds.count(), .tv_nsec = (since - seconds).count()}};
  (void)timerfd_settime(descriptor_, TFD_TIMER_ABSTIME, &time, nullptr);  // fails only for what is not a timerfd
}

}  // namespace sluice::net
