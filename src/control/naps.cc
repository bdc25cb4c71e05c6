#include "control/naps.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid  // which glibc 2.36 does not name
#endif

namespace sluice::control {

namespace {

// What a worker may have to wait, and what a computation takes longer.
constexpr timespec work{.tv_sec = 0, .tv_nsec = 200'000}, pause{.tv_sec = 0, .tv_nsec = 60'000};

int nap_signal() { return SIGRTMIN + 1; }

void nap(int) {
  const int before = errno;
  (void)::nanosleep(&pause, nullptr);  // cut short, it was a nap all the same
  errno = before;
}

}  // namespace

Naps::Naps() {
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
