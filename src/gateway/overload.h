#pragma once
// Whether one worker has more to do than it can, and what it does about it: refuses new requests, closes idle
// connections, stops accepting. Decides from three numbers: requests in progress, memory, and lag. On the worker's
// thread.
//
// Lag is how long an event waits for the worker: from a note that the worker posts to itself to the turn in which it
// comes back, through the same queue as everything else. A note leaves while requests come, every 20 ms at most. Lag
// counts as overload when every note of a second was late; a single long turn or a busy neighbour is none.
//   cost  a comparison of clocks for each request, two more for the first of a turn; a few loads and a note's two
//   system
//         calls every 20 ms
//
// Thresholds come with hysteresis: what began at 85 % of memory ends at 80 %, what a lag began ends at half of it.

#include <cstdint>
#include <functional>

#include "gateway/limits.h"
#include "gateway/metrics.h"
#include "net/loop.h"

namespace sluice::gateway {

class Overload {
 public:
  static constexpr Duration note_period = std::chrono::milliseconds(20);
  static constexpr Duration lag_window = std::chrono::seconds(1);
  static constexpr Duration recheck_period = std::chrono::milliseconds(50);  // while memory is short
  static constexpr int critical_lag_factor = 4;
  // Of a worker's share of memory, in percent.
  static constexpr int shed_at = 85, close_idle_at = 95, pause_at = 98, cut_at = 100, hysteresis = 5;
  // What a connection takes beside buffers and arenas, its stream included, rounded up.
  static constexpr std::int64_t connection_bytes = 1024;

  // `close_idle` closes all idle connections of the worker.
  Overload(net::Loop& loop, WorkerMetrics& metrics, std::function<void()> close_idle);

  // The limits of the plan now in force.
  void adopt(const WorkerLimits& limits);

  // Before a request counts as in progress: whether it may have to be refused. When it counts, why_refused() says.
  bool is_pressed() {
    if (loop_.now() != looked_at_) look();
    return is_shedding_ || metrics_.requests_in_flight.value() >= limits_.normal_requests;
  }
  // Static text when a request is to be refused, else null. Counts it.
  const char* why_refused(bool is_critical);

  // Looks at memory and does what is due. Before a connection is let in, and when an exchange begins to wait for a slow
  // side. True when there is no more for one that holds it without moving on.
  bool weigh();
  std::int64_t memory_bytes() const;

 private:
  void look();
  void send_note();
  void on_note();
  void measure(Duration lag);
  void update();
  void recheck();  // the timer's
  bool is_above(int percent, bool was_above) const;

  net::Loop& loop_;
  WorkerMetrics& metrics_;
  const std::function<void()> close_idle_;
  WorkerLimits limits_;
  net::Timer recheck_timer_ = net::Timer::of<&Overload::recheck>(this);

  Instant looked_at_{};
  Instant note_sent_at_{};
  Instant lag_known_at_{};
  Instant late_since_{};  // every note since then was late; none: max
  Instant very_late_since_{};
  bool is_note_out_ = false;
  bool is_shedding_ = false;  // one of the next is set
  bool is_memory_short_ = false, is_late_ = false, is_very_late_ = false;
  bool is_closing_idle_ = false, is_paused_ = false;
};

}  // namespace sluice::gateway
