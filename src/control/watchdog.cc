#include "control/watchdog.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/clock.h"
#include "control/stack_probe.h"
#include "control/symbols.h"

namespace sluice::control {

namespace {

std::int64_t ms(Duration time) { return std::chrono::duration_cast<std::chrono::milliseconds>(time).count(); }

}  // namespace

Watchdog::Watchdog(std::vector<Subject> subjects, Events events, Settings settings)
    : events_(std::move(events)), settings_(settings) {
  for (Subject& subject : subjects) watched_.push_back({.subject = std::move(subject)});
  prepare_stack_probe();
}

void Watchdog::start() {
  is_running_.store(true, std::memory_order_relaxed);
  thread_ = std::thread([this] {
    while (is_running_.load(std::memory_order_relaxed)) {
      look(read_steady_clock());
      std::this_thread::sleep_for(settings_.tick);
    }
  });
}

void Watchdog::stop() {
  is_running_.store(false, std::memory_order_relaxed);
  if (thread_.joinable()) thread_.join();
}

void Watchdog::look(Instant now) {
  for (Watched& watched : watched_) look_at(watched, now);
}

void Watchdog::look_at(Watched& watched, Instant now) {
  const net::Loop::Counters counters = watched.subject.counters();
  if (counters.is_waiting || counters.turns != watched.turns) {
    if (std::exchange(watched.is_stalled, false))
      events_.report(
          fmt::format("{} turns its loop again, after {} ms", watched.subject.name, ms(now - watched.since)));
    watched.turns = counters.turns;
    watched.since = now;
    // An idle worker is not asked, twenty times a second, how it has waited.
    watched.waited = counters.is_waiting ? Duration::max() : watched.subject.waited_for_processor();
    return;
  }
  const Duration waited = watched.subject.waited_for_processor();
  if (watched.waited == Duration::max()) watched.waited = waited;
  const Duration stall = now - watched.since - (waited - watched.waited);
  if (stall >= settings_.stall_after && !std::exchange(watched.is_stalled, true)) report_stall(watched, stall, now);
  if (stall < settings_.stuck_after || now - watched.asked_at < settings_.stuck_after) return;
  watched.asked_at = now;
  events_.on_stuck(watched.subject.name);
}

void Watchdog::report_stall(const Watched& watched, Duration stall, Instant now) {
  stalls_.fetch_add(1, std::memory_order_relaxed);
  std::string text = fmt::format("{} has not turned its loop for {} ms", watched.subject.name, ms(stall));
  if (last_stack_at_ == Instant::min() || now - last_stack_at_ >= settings_.between_stacks) {
    last_stack_at_ = now;
    const std::vector<void*> frames = probe_stack(watched.subject.thread, std::chrono::milliseconds(500));
    text += frames.empty() ? "; it does not answer a signal, so it is stopped or waits in the kernel" : ". It is at:";
    const Symbols symbols;  // read when they are wanted: they are as large as the binary
    for (const void* const frame : frames) fmt::format_to(std::back_inserter(text), "\n    {}", symbols.name(frame));
  }
  events_.report(std::move(text));
}

// Second number of the file (kernel documentation, scheduler/sched-stats). 0 where the kernel keeps no such statistics:
// then all time counts.
Duration read_wait_for_processor(pid_t thread_id) {
  std::ifstream file(fmt::format("/proc/self/task/{}/schedstat", thread_id));
  std::int64_t ran = 0;
  std::int64_t waited = 0;
  return file >> ran >> waited ? Duration(waited) : Duration(0);
}

}  // namespace sluice::control
