#include "gateway/tunnel.h"

#include <algorithm>
#include <utility>

#include "gateway/causes.h"
#include "gateway/worker.h"
#include "http/causes.h"

namespace sluice::gateway {

namespace {

using Goodbye = http::TunnelEnd::Goodbye;

// RFC 6455 section 7.4.1.
constexpr std::uint16_t protocol_error = 1002, policy_violation = 1008, message_too_big = 1009;

std::uint16_t close_code_of(const Cause& cause) {
  if (&cause == &http::websocket_frame_malformed) return protocol_error;
  return &cause == &http::websocket_message_too_large ? message_too_big : policy_violation;
}

Goodbye goodbye(bool is_whole) { return is_whole ? Goodbye::flush : Goodbye::reset; }

}  // namespace

Tunnel::Tunnel(Worker& worker, Opening opening)
    : LongStream(std::move(opening.admission)),
      worker_(worker),
      terms_(opening.terms),
      endpoint_(std::move(opening.endpoint)),
      record_(std::move(opening.record)),
      timer_(net::Timer::of<&Tunnel::on_timer>(this)),
      begun_at_(opening.begun_at),
      buffer_bytes_(opening.buffer_bytes),
      listener_number_(opening.listener_number) {}

void Tunnel::begin(http::TunnelEnd& client, http::TunnelEnd& upstream) {
  client_.end = &client;
  upstream_.end = &upstream;
  received_before_ = client.received_bytes();
  sent_before_ = client.sent_bytes();
  worker_.metrics().websockets_opened.add();
  worker_.metrics().websockets_open.add();
  opened_at_ = moved_at_ = worker_.loop().now();
  expires_at_ = expiry(worker_.loop(), opened_at_, terms_.max_age, terms_.jitter_percent);
  worker_.streams().add(*this, worker_.plans().current());
  worker_.count_planless(1);
  arm_timer();
  // Each may end it all, and so be its last act.
  bool is_gone = false;
  is_gone_ = &is_gone;
  client_.end->pull();
  if (is_gone) return;
  is_gone_ = nullptr;
  upstream_.end->pull();
}

void Tunnel::count(const Side& from, std::size_t bytes) {
  WorkerMetrics& metrics = worker_.metrics();
  (is_client(from) ? metrics.client_bytes_in : metrics.upstream_bytes_in).add(bytes);
  (is_client(from) ? metrics.upstream_bytes_out : metrics.client_bytes_out).add(bytes);
}

void Tunnel::relay(Side& from, net::Buffer bytes) {
  static constexpr http::websocket::FrameLimits unlimited;
  Side& to = other(from);
  if (to.knows_end) return;  // and is sent nothing more
  moved_at_ = worker_.loop().now();
  WorkerMetrics& metrics = worker_.metrics();
  const bool is_from_client = is_client(from);
  const auto passage = from.frames.pass(
      bytes.view(), is_from_client ? terms_.client : unlimited,
      is_from_client ? metrics.websocket_from_client : metrics.websocket_from_upstream, moved_at_, is_closing_);
  count(from, passage.passed + (passage.sends_kept ? from.frames.kept().size() : 0));
  if (passage.sends_kept) to.end->send(from.frames.kept());
  if (passage.passed > 0) {
    bytes.truncate(passage.passed);
    to.end->send(std::move(bytes));
  }
  if (passage.breach.cause != nullptr) return break_off(passage.breach, is_from_client);
  if (is_closing_) tell_end_to(to);
  if (client_.knows_end && upstream_.knows_end) return finish(true, true);
  if (to.end->unsent_bytes() <= buffer_bytes_) return from.end->pull();
  if (worker_.overload().weigh()) {
    blame(gateway_memory_exhausted, "");
    return finish(false, false);
  }
  to.blocked_since = moved_at_;
  to.end->want_room();
  if (!timer_.is_set() || timer_.due() > send_deadline(to)) arm_timer();
}

void Tunnel::on_room(Side& side) {
  moved_at_ = worker_.loop().now();
  if (std::exchange(side.blocked_since, Instant{}) != Instant{}) other(side).end->pull();
}

// FIN of the client: it may still be told something. FIN of the upstream: nobody is there to be told anything.
void Tunnel::on_end(Side& side) {
  side.has_ended = true;
  const bool has_said_so = side.frames.has_closed() || other(side).frames.has_closed();
  const bool is_whole = other(side).frames.is_between_frames();  // what it was sent
  if (!side.frames.is_between_frames()) {
    blame(is_client(side) ? http::client_closed : upstream_reset, "connection ended inside a frame");
    return finish(is_client(side) && is_whole, !is_client(side) && is_whole);
  }
  if (!is_client(side)) {
    if (!has_said_so) blame(upstream_reset, "connection ended without a Close frame");
    return finish(true, is_whole);
  }
  if (!has_said_so) blame(http::client_closed, "connection ended without a Close frame");
  if (!upstream_.knows_end) upstream_.end->finish();
  half_closed_until_ = worker_.loop().now() + half_closed_patience;
  arm_timer();
}

void Tunnel::on_failed(Side& side, const Error& error) {
  const bool has_closed = client_.frames.has_closed() && upstream_.frames.has_closed();
  if (error.side == sluice::Side::gateway) {
    blame(stream_drained, error.what);
  } else if (!has_closed) {
    blame(is_client(side) ? http::client_closed : upstream_reset, "connection lost");
  }
  // Whom a frame has begun for must not take it for a whole one.
  const bool is_whole = side.frames.is_between_frames();
  finish(is_client(side) ? false : is_whole, is_client(side) ? is_whole : false);
}

// ---- the end
// --------------------------------------------------------------------------------------------------------------

void Tunnel::blame(const Cause& cause, const char* detail) {
  if (cause_ != nullptr) return;
  cause_ = &cause;
  detail_ = detail;
}

void Tunnel::break_off(const Refusal& breach, bool is_from_client) {
  // What a server does wrong is its own; the cause of a frame names the client.
  if (!is_from_client) return close({&upstream_response_malformed, protocol_error}, breach.detail);
  close({breach.cause, close_code_of(*breach.cause)}, breach.detail);
}

// Both sides get a Close frame, each when no other frame is on its way to it.
void Tunnel::close(const StreamEnd& end, const char* detail) {
  if (is_closing_) return;
  is_closing_ = true;
  blame(*end.cause, detail);
  close_code_ = end.close_code;
  end_at_ = Instant::max();
  close_until_ = worker_.loop().now() + close_patience;
  tell_end_to(client_);
  tell_end_to(upstream_);
  if (client_.knows_end && upstream_.knows_end) return finish(true, true);
  arm_timer();
}

void Tunnel::tell_end_to(Side& to) {
  const Side& from = other(to);
  if (to.knows_end || !from.frames.is_between_frames()) return;
  to.knows_end = true;
  if (from.frames.has_closed() || (from.has_ended && is_client(from))) return;  // it was told so, or had its FIN
  const auto frame = is_client(to) ? http::websocket::close_to_client(close_code_)
                                   : http::websocket::close_to_server(
                                         close_code_, static_cast<std::uint32_t>(worker_.loop().random() >> 32));
  to.end->send(frame.view());
  (is_client(to) ? worker_.metrics().client_bytes_out : worker_.metrics().upstream_bytes_out).add(frame.size);
}

void Tunnel::finish(bool is_client_whole, bool is_upstream_whole) {
  timer_.cancel();
  record();
  worker_.streams().remove(*this);
  worker_.count_planless(-1);
  endpoint_->end_stream();
  if (is_gone_ != nullptr) *is_gone_ = true;
  client_.end->close(goodbye(is_client_whole));
  upstream_.end->close(goodbye(is_upstream_whole));
  delete this;
}

void Tunnel::record() {
  WorkerMetrics& metrics = worker_.metrics();
  const std::uint32_t cause = cause_ == nullptr ? CauseTable::none : worker_.causes().index_of(cause_);
  const std::uint64_t received = client_.end->received_bytes(), sent = client_.end->sent_bytes();
  metrics.requests_in_flight.subtract();
  metrics.websockets_open.subtract();
  metrics.answered_here(cause);
  admission().route->record_stream({.worker = worker_.number(),
                                    .listener = listener_number_,
                                    .request_bytes = received - received_before_,
                                    .response_bytes = sent - sent_before_,
                                    .cause = cause});
  if (record_ == nullptr) return;
  const Duration duration = worker_.loop().now() - begun_at_;
  AccessRecord& record = record_->record;
  record.time = worker_.loop().wall_now() - duration;
  record.duration_us = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  record.request_bytes = static_cast<std::int64_t>(received);
  record.response_bytes = static_cast<std::int64_t>(sent);
  record.client_messages = static_cast<std::int64_t>(client_.frames.messages());
  record.upstream_messages = static_cast<std::int64_t>(upstream_.frames.messages());
  if (cause_ != nullptr) {
    record.cause = cause_->code;
    record.side = side_name(cause_->side);
    record.detail = detail_;
  }
  (void)write_access(record, worker_.log_ring());  // a full ring counts the lost line itself
}

// ---- what a reload and the drain ask for
// --------------------------------------------------------------------------------------------------

void Tunnel::adopt(const Plan& plan, const ListenerPlan& listener, const RoutePlan& route) {
  const WebSocketTerms fresh = plan.websocket_terms(listener, route);
  const bool changes_age = fresh.max_age != terms_.max_age;
  terms_ = fresh;
  buffer_bytes_ = plan.limits.exchange_buffer_bytes;
  if (changes_age) expires_at_ = expiry(worker_.loop(), opened_at_, terms_.max_age, terms_.jitter_percent);
  arm_timer();
}

void Tunnel::end_soon(const StreamEnd& end, Duration after) {
  const Instant at = worker_.loop().now() + after;
  if (is_closing_ || at >= end_at_) return;
  pending_end_ = end;
  end_at_ = at;
  arm_timer();
}

// ---- time
// --------------------------------------------------------------------------------------------------------------

Instant Tunnel::send_deadline(const Side& side) const {
  return side.blocked_since == Instant{} ? Instant::max() : side.blocked_since + terms_.send_timeout;
}

Instant Tunnel::next_deadline() const {
  if (is_closing_) return close_until_;
  return std::min({end_at_, expires_at_, half_closed_until_, moved_at_ + terms_.idle_timeout, send_deadline(client_),
                   send_deadline(upstream_)});
}

void Tunnel::arm_timer() {
  worker_.loop().set_timer(timer_, std::max(next_deadline() - worker_.loop().now(), Duration::zero()));
}

void Tunnel::on_timer() {
  const Instant now = worker_.loop().now();
  if (next_deadline() > now) return arm_timer();
  if (is_closing_) return finish(client_.knows_end, upstream_.knows_end);
  if (end_at_ <= now) return close(pending_end_);
  if (expires_at_ <= now) return close({&stream_max_age, StreamEnd::going_away});
  if (send_deadline(client_) <= now) return close({&http::client_too_slow, policy_violation});
  if (send_deadline(upstream_) <= now) return close({&upstream_timeout_idle, StreamEnd::going_away});
  if (half_closed_until_ <= now) return finish(upstream_.frames.is_between_frames(), true);
  close({&stream_idle, StreamEnd::going_away});
}

}  // namespace sluice::gateway
