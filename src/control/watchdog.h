#pragma once
// Watches whether the workers turn their loops. One that is neither waiting for events nor done with a turn for 100 ms
// is named in the log with its stack; one that is so for 2 s is reported as stuck, to be replaced. Time that the kernel
// let the thread wait for a processor does not count: a busy machine is not the worker's fault.

#include <pthread.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "net/loop.h"

namespace sluice::control {

class Watchdog {
 public:
  struct Subject {
    std::string name;  // "worker 1"
    std::function<net::Loop::Counters()> counters;
    // Nanoseconds that the thread was ready to run and did not; only its growth is looked at.
    std::function<Duration()> waited_for_processor;
    pthread_t thread{};
  };
  struct Events {  // on the watchdog's thread
    std::function<void(std::string)> report;
    std::function<void(const std::string& name)> on_stuck;  // again and again as long as it lasts
  };
  struct Settings {
    Duration tick = std::chrono::milliseconds(50);
    Duration stall_after = std::chrono::milliseconds(100);
    Duration stuck_after = std::chrono::seconds(2);
    Duration between_stacks = std::chrono::seconds(1);  // at least, so that the log is not flooded
  };

  // Does nothing before start().
  Watchdog(std::vector<Subject> subjects, Events events, Settings settings);
  ~Watchdog() { stop(); }
  Watchdog(const Watchdog&) = delete;

  void start();
  void stop();
  // One look at all of them.
  void look(Instant now);
  // Stalls so far. Any thread.
  std::uint64_t stalls() const { return stalls_.load(std::memory_order_relaxed); }

 private:
  struct Watched {
    Subject subject;
    std::uint64_t turns = ~std::uint64_t{0};
    Instant since{};    // when this turn was seen first
    Duration waited{};  // for a processor, at that time
    bool is_stalled = false;
    Instant asked_at{};  // when on_stuck was called last
  };
  void look_at(Watched& watched, Instant now);
  void report_stall(const Watched& watched, Duration stall, Instant now);

  std::vector<Watched> watched_;
  Events events_;
  Settings settings_;
  Instant last_stack_at_ = Instant::min();
  std::atomic<std::uint64_t> stalls_{0};
  std::atomic<bool> is_running_{false};
  std::thread thread_;
};

// Reads that of a thread of this process, by its kernel id.
Duration read_wait_for_processor(pid_t thread_id);

}  // namespace sluice::control
