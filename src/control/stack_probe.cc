#include "control/stack_probe.h"

#include <execinfo.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <thread>

#include "base/clock.h"

namespace sluice::control {

namespace {

constexpr int handler_frames = 2;  // the handler itself, and the kernel's way back from it

// Shared with the handler, which may run late: so it is here for ever, and says whose answer it holds.
struct Probe {
  std::atomic<bool> is_wanted{false};
  std::atomic<bool> is_taken{false};
  pthread_t thread{};
  std::array<void*, 64> frames{};
  int count = 0;
} probe;

void take_stack(int) {
  const int error = errno;
  if (probe.is_wanted.load(std::memory_order_acquire) && ::pthread_equal(probe.thread, ::pthread_self()) != 0) {
    probe.count = ::backtrace(probe.frames.data(), static_cast<int>(probe.frames.size()));
    probe.is_taken.store(true, std::memory_order_release);
  }
  errno = error;
}

// Real-time signals are nobody else's: no library and no shell sends them.
int probe_signal() { return SIGRTMIN + 5; }

}  // namespace

void prepare_stack_probe() {
  std::array<void*, 4> unused{};
  (void)::backtrace(unused.data(), static_cast<int>(unused.size()));  // the first call loads a library
  struct sigaction action{};
  action.sa_handler = take_stack;
  action.sa_flags = SA_RESTART;
  ::sigaction(probe_signal(), &action, nullptr);
}

std::vector<void*> probe_stack(pthread_t thread, Duration patience) {
  probe.thread = thread;
  probe.is_taken.store(false, std::memory_order_relaxed);
  probe.is_wanted.store(true, std::memory_order_release);
  std::vector<void*> frames;
  if (::pthread_kill(thread, probe_signal()) == 0) {
    const Instant end = read_steady_clock() + patience;
    while (!probe.is_taken.load(std::memory_order_acquire) && read_steady_clock() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (probe.is_taken.load(std::memory_order_acquire) && probe.count > handler_frames)
      frames.assign(probe.frames.begin() + handler_frames, probe.frames.begin() + probe.count);
  }
  probe.is_wanted.store(false, std::memory_order_release);
  return frames;
}

}  // namespace sluice::control
