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
  ExchangeMemory& memory = *memory_;
  const auto came = static_cast<std::int64_t>(memory.reader.wire_bytes());
  if (now() >= memory.upload.deadline() && !memory.upload.renew(upload_terms(), came, now()))
    return fail({&request_body_timeout, "body did not come, or came too slowly"});
  if (now() >= memory.download.deadline() && !memory.download.renew(download_terms(), taken_bytes(), now())) {
    is_dead_ = true;
    return fail({&client_too_slow, "the answer was not taken, or too slowly"});
  }
  arm_exchange();
  return true;
}

void ServerConnection::arm_exchange() {
  const Instant deadline = std::min(memory_->upload.deadline(), memory_->download.deadline());
  if (deadline == Instant::max()) {
    deadline_ = deadline;
  } else {
    arm(deadline);
  }
}

void ServerConnection::starve(bool is_starved) {
  Pace& upload = memory_->upload;
  if (upload.is_waiting() == is_starved) return;
  if (is_starved) {
    upload.wait(now());
  } else {
    upload.stop(now());
  }
  arm_exchange();
}

void ServerConnection::start_paces() {
  memory_->upload.start(upload_terms());
  memory_->download.start(download_terms());
}

Pace::Terms ServerConnection::upload_terms() const {
  const ServerSettings& settings = owner_.settings_;
  return {settings.least_upload_rate, settings.rate_grace, settings.client_idle_timeout};
}

Pace::Terms ServerConnection::download_terms() const {
  const ServerSettings& settings = owner_.settings_;
  return {settings.least_download_rate, settings.rate_grace, settings.client_idle_timeout};
}

// With pipelining an earlier answer may lie in the kernel still.
void ServerConnection::await_client() {
  Pace& download = memory_->download;
  if (!download.has_waited()) download.count_from(taken_bytes());
  download.wait(now());
}

// Of the answer, by the client's own word: what lies in the kernel has not been taken. A system call, made only when
// patience has run out and when an exchange waits for the first time.
std::int64_t ServerConnection::taken_bytes() const {
  return static_cast<std::int64_t>(sent_bytes()) -
         static_cast<std::int64_t>(unsent_bytes() + stream_->unacknowledged_bytes());
}

}  // namespace sluice::http::h1
