#include "http/h1/tunnel_stream.h"

#include <utility>

namespace sluice::http::h1 {

TunnelStream::TunnelStream(Owner& owner, Legacy legacy, TunnelEvents& events)
    : owner_(owner),
      stream_(std::move(legacy.stream)),
      input_(std::move(legacy.input)),
      events_(events),
      sent_bytes_(legacy.sent_bytes),
      received_bytes_(legacy.received_bytes),
      is_paused_(legacy.is_paused),
      has_ended_(legacy.has_ended) {
  stream_->set_handler(*this);
}

void TunnelStream::cut() {
  input_.clear();
  on_failed({Code::reset, Side::gateway, false, "cut"});
}

void TunnelStream::pull() {
  has_credit_ = true;
  run();
}

void TunnelStream::send(net::Buffer bytes) {
  if (is_dead_) return;
  sent_bytes_ += bytes.size();
  stream_->write(std::move(bytes));
}

void TunnelStream::send(std::string_view bytes) {
  if (is_dead_) return;
  sent_bytes_ += bytes.size();
  stream_->write(bytes);
}

void TunnelStream::finish() {
  if (!is_dead_) stream_->finish_writing();
}

void TunnelStream::want_room() {
  is_room_wanted_ = true;
  if (!is_dead_) stream_->want_drained();
}

void TunnelStream::close(Goodbye how) {
  using Last = net::Stream::Goodbye;
  input_.clear();
  stream_.release()->let_go(how == Goodbye::flush ? Last::flush_and_close : Last::abort);
  is_over_ = is_dead_ = true;
  run();
}

void TunnelStream::on_data(net::Buffer bytes) {
  if (!input_.push(std::move(bytes))) {
    is_dead_ = true;
    failure_ = {Code::exhausted, Side::gateway, false, "input queue is full"};
  }
  run();
}

void TunnelStream::on_end() {
  has_ended_ = true;
  run();
}

void TunnelStream::on_drained() {
  has_room_ = is_room_wanted_;
  run();
}

void TunnelStream::on_failed(Error error) {
  if (is_dead_) return;
  is_dead_ = true;
  failure_ = error;
  run();
}

void TunnelStream::run() {
  if (is_running_) return;
  is_running_ = true;
  while (!is_over_ && step()) {
  }
  is_running_ = false;
  if (is_over_) return owner_.on_tunnel_closed();
  if (is_dead_ || input_.is_full() == is_paused_) return;
  is_paused_ = !is_paused_;
  if (is_paused_) {
    stream_->pause_reading();
  } else {
    stream_->resume_reading();
  }
}

bool TunnelStream::step() {
  if (has_failed_) return false;
  if (std::exchange(has_room_, false)) {
    is_room_wanted_ = false;
    events_.on_room();
    return true;
  }
  if (!input_.empty()) {  // what came before a failure is delivered before it
    if (!has_credit_) return false;
    has_credit_ = false;
    net::Buffer bytes = std::exchange(input_.front(), net::Buffer());
    input_.drop_empty_front();
    received_bytes_ += bytes.size();
    events_.on_bytes(std::move(bytes));
    return true;
  }
  if (is_dead_) {
    has_failed_ = true;
    events_.on_failed(failure_);
    return true;
  }
  if (!has_ended_ || !has_credit_ || has_told_end_) return false;
  has_credit_ = false;
  has_told_end_ = true;
  events_.on_end();
  return true;
}

}  // namespace sluice::http::h1
