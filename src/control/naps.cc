#include "control/naps.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid  // which glibc 2.36 does not name
#endif

namespace sluice::control {

namespace {

// What a worker may have to wait, and what a computation takes longer.
constexpr timespec work{.tv_sec = 0, .tv_nsec = 200'000}, pause{.tv_sec = 0, .tv_nsec = 60'000};
// On a machine that is busy all the time who naps gets less than its share: after so long a computation must get done.
constexpr std::int64_t longest_ns = 2'000'000'000;

int nap_signal() { return SIGRTMIN + 1; }

std::int64_t read_ns(clockid_t clock) {
  timespec time{};
  (void)::clock_gettime(clock, &time);  // of clocks that are there
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

// Of the thread that naps.
thread_local std::int64_t worked_until = 0;  // of its processor time, at the last nap
thread_local std::int64_t end = 0;           // of all naps, by the clock

void nap(int) {
  const int before = errno;
  const std::int64_t worked = read_ns(CLOCK_THREAD_CPUTIME_ID);
  // Time in which others had the processor is no work to rest from.
  if (worked - worked_until >= work.tv_nsec / 2 && read_ns(CLOCK_MONOTONIC) < end) {
    (void)::nanosleep(&pause, nullptr);  // cut short, it was a nap all the same
    worked_until = worked;
  }
  errno = before;
}

}  // namespace

Naps::Naps() {
  worked_until = read_ns(CLOCK_THREAD_CPUTIME_ID);
  end = read_ns(CLOCK_MONOTONIC) + longest_ns;
  struct sigaction action{};
  action.sa_handler = nap;
  action.sa_flags = SA_RESTART;
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = nap_signal();
  event.sigev_notify_thread_id = ::gettid();
  if (::sigaction(nap_signal(), &action, nullptr) != 0 || ::timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0) return;
  is_on_ = true;
  const itimerspec times{.it_interval = work, .it_value = work};
  (void)::timer_settime(timer_, 0, &times, nullptr);  // of what was just made, with good times
}

Naps::~Naps() {
  if (is_on_) (void)::timer_delete(timer_);
}

}  // namespace sluice::control
