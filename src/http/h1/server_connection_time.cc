// What a client may keep us waiting for. The deadline moves often, the timer seldom: see timer_.
#include <algorithm>

#include "http/causes.h"
#include "http/h1/server_connection.h"

namespace sluice::http::h1 {

void ServerConnection::arm(Instant deadline) {
  deadline_ = deadline;
  if (timer_.is_set() && timer_.due() <= deadline) return;
  owner_.waist_.loop().set_timer(timer_, std::max(deadline - now(), Duration::zero()));
}

void ServerConnection::on_timer() {
  if (deadline_ == Instant::max()) return;
  if (now() < deadline_) return arm(deadline_);
  is_expired_ = true;
  enter_from_loop();
}

bool ServerConnection::expire() {
  if (state_ == State::idle || !memory_->parser.has_begun()) return close(net::Stream::Goodbye::flush_and_close);
  return refuse({&request_header_timeout, "head not complete in time"});
}

bool ServerConnection::expire_exchange() {
  is_expired_ = false;
  if (now() >= body_deadline()) return fail({&request_body_timeout, "body did not come, or came too slowly"});
  if (now() >= room_deadline()) {
    const std::int64_t taken = taken_bytes();
    if (taken == memory_->taken_bytes) {
      is_dead_ = true;
      return fail({&client_too_slow, "no byte of the answer was taken"});
    }
    memory_->taken_bytes = taken;
    memory_->room_wanted_since = now();
  }
  arm_exchange();
  return true;
}

void ServerConnection::arm_exchange() {
  const Instant deadline = std::min(body_deadline(), room_deadline());
  if (deadline == Instant::max()) {
    deadline_ = deadline;
  } else {
    arm(deadline);
  }
}

void ServerConnection::starve(bool is_starved) {
  if (exchange_.is_starved == is_starved) return;
  exchange_.is_starved = is_starved;
  if (is_starved) {
    memory_->starved_since = now();
  } else {
    memory_->starved_before += now() - memory_->starved_since;
  }
  arm_exchange();
}

// The bytes that came have earned the client some time of ours; the grace is the least it gets.
Instant ServerConnection::body_deadline() const {
  if (!exchange_.is_starved) return Instant::max();
  const ServerSettings& settings = owner_.settings_;
  Duration patience = settings.client_idle_timeout;
  if (settings.least_body_rate != 0) {
    const Duration earned = std::chrono::seconds(memory_->reader.wire_bytes() / settings.least_body_rate);
    patience = std::min(patience, std::max(earned, settings.body_rate_grace) - memory_->starved_before);
  }
  return memory_->starved_since + patience;
}

Instant ServerConnection::room_deadline() const {
  if (!exchange_.is_room_wanted) return Instant::max();
  return memory_->room_wanted_since + owner_.settings_.client_idle_timeout;
}

}  // namespace sluice::http::h1
