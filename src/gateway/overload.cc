#include "gateway/overload.h"

#include <utility>

#include "base/arena.h"
#include "net/tls/held_memory.h"

namespace sluice::gateway {

Overload::Overload(net::Loop& loop, WorkerMetrics& metrics, std::function<void()> close_idle)
    : loop_(loop),
      metrics_(metrics),
      close_idle_(std::move(close_idle)),
      late_since_(Instant::max()),
      very_late_since_(Instant::max()) {}

void Overload::adopt(const WorkerLimits& limits) {
  limits_ = limits;
  metrics_.memory_limit_bytes.set(limits.memory_bytes);
  (void)weigh();
}

const char* Overload::why_refused(bool is_critical) {
  const std::int64_t most = is_critical ? limits_.requests : limits_.normal_requests;
  if (metrics_.requests_in_flight.value() > most) {  // this one counted
    metrics_.shed_for_requests.add();
    return "requests in progress";
  }
  if (is_memory_short_) {
    metrics_.shed_for_memory.add();
    return "memory";
  }
  if (is_critical ? is_very_late_ : is_late_) {
    metrics_.shed_for_lag.add();
    return "events wait too long for the worker";
  }
  return nullptr;
}

void Overload::look() {
  looked_at_ = loop_.now();
  if (limits_.loop_lag > Duration::zero()) send_note();
  (void)weigh();  // nobody here holds anything
}

void Overload::send_note() {
  const Instant now = loop_.now();
  if (is_note_out_) return;
  // Nothing was heard for a while, because no request came: what was measured then says nothing of now.
  if (now - lag_known_at_ > lag_window) measure(Duration::zero());
  if (now - note_sent_at_ < note_period) return;
  is_note_out_ = true;
  note_sent_at_ = now;
  loop_.post([this] { on_note(); });
}

void Overload::on_note() {
  is_note_out_ = false;
  measure(loop_.now() - note_sent_at_);
  update();
}

void Overload::measure(Duration lag) {
  const Instant now = loop_.now();
  const auto judge = [&](Duration limit, Instant& since, bool& is_over) {
    if (lag > limit) {
      since = std::min(since, now);
    } else {
      since = Instant::max();
    }
    if (since != Instant::max() && now - since >= lag_window) is_over = true;
    if (lag < limit / 2) is_over = false;
  };
  lag_known_at_ = now;
  metrics_.loop_lag_ns.set(lag.count());
  judge(limits_.loop_lag, late_since_, is_late_);
  judge(limits_.loop_lag * critical_lag_factor, very_late_since_, is_very_late_);
}

std::int64_t Overload::memory_bytes() const {
  return static_cast<std::int64_t>(loop_.lent_bytes()) + Arena::held_bytes() + net::tls::held_bytes() +
         metrics_.http2.session_bytes.value() +
         metrics_.connections_open.value() * connection_bytes;
}

bool Overload::is_above(int percent, bool was_above) const {
  const int threshold = was_above ? percent - hysteresis : percent;
  return memory_bytes() >= limits_.memory_bytes / 100 * threshold;
}

bool Overload::weigh() {
  metrics_.memory_bytes.set(memory_bytes());
  is_memory_short_ = is_above(shed_at, is_memory_short_);
  const bool was_closing = std::exchange(is_closing_idle_, is_above(close_idle_at, is_closing_idle_));
  if (is_closing_idle_ && !was_closing) close_idle_();
  const bool is_full = is_above(pause_at, is_paused_);
  if (std::exchange(is_paused_, is_full) != is_full) {
    loop_.pause_accepting(is_full);
    metrics_.is_accept_paused.set(is_full);
    if (is_full) metrics_.accept_pauses.add();
  }
  // No request may come that looks again: none is accepted, or none is sent.
  if (is_memory_short_ && !recheck_timer_.is_set()) loop_.set_timer(recheck_timer_, recheck_period);
  update();
  return memory_bytes() >= limits_.memory_bytes / 100 * cut_at;
}

void Overload::recheck() {
  (void)weigh();
  if (is_closing_idle_) close_idle_();
}

void Overload::update() {
  is_shedding_ = is_memory_short_ || is_late_;
  metrics_.is_shedding.set(is_shedding_);
}

}  // namespace sluice::gateway
