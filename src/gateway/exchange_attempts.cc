// The exchange's attempts: which endpoint, which connection, how long, and whether once more.

#include <utility>

#include "gateway/causes.h"
#include "gateway/exchange.h"
#include "gateway/worker.h"
#include "net/tls/fault.h"

namespace sluice::gateway {

bool Exchange::pick_endpoint() {
  endpoint_ = decision_.target->group->pick(tried_, worker_.loop().now(), worker_.loop().random());
  return endpoint_ != nullptr;
}

void Exchange::connect(upstream::Wanted wanted) {
  state_ = State::connecting;
  attempt_at_ = moved_at_ = worker_.loop().now();
  endpoint_->begin();
  if (has_deadline()) arm_timer();
  // A WebSocket has its connection to itself, from its first byte (S20).
  if (view_.request().asks_websocket) wanted = upstream::Wanted::own;
  attempt_.start(worker_.pool(), *endpoint_, decision_.target->timeouts, wanted, view_.client(), *this);
}

void Exchange::on_connection(http::UpstreamConnection& connection, bool is_reused) {
  state_ = State::relaying;
  was_reused_ = is_reused;
  waits_for_upstream_ = false;
  if (!is_reused) connect_us_ = (worker_.loop().now() - attempt_at_).count() / 1000;
  attempt_at_ = moved_at_ = worker_.loop().now();
  const http::RequestHead& request = view_.upstream_request();
  request_done_at_ = attempt_at_;
  taken_by_upstream_ = 0;
  if (!is_body_begun_) is_request_done_ = request.body.is_empty();
  upstream_ = &connection.start(request, client_->arena(), *this);
  arm_timer();
  if (is_body_begun_) return repeat_request_body();
  if (!is_request_done_) start_request_body();
}

void Exchange::on_no_connection(Error error) {
  const bool is_tls =
      error.side == Side::upstream && (error.code == Code::denied || net::tls::find_fault(error.what) != nullptr);
  // With too many on their way to an endpoint, one more is not tried: it says nothing of that endpoint, or of a retry.
  const bool is_full = error.code == Code::exhausted && error.side == Side::upstream;
  // A WebSocket is asked for by HTTP/1.1: an endpoint that speaks only HTTP/2 refuses the handshake, and is well.
  const bool is_our_wish = is_tls && view_.request().asks_websocket;
  end_attempt(error.side == Side::gateway || is_full || is_our_wish ? upstream::Outcome::gateway_failed
              : is_tls                                              ? upstream::Outcome::tls_failed
              : error.code == Code::timed_out                       ? upstream::Outcome::connect_timed_out
                                                                    : upstream::Outcome::connect_failed,
              error.what);
  if (!error.retryable) {
    retry_note_ = "not retried: the gateway itself is at fault";
  } else if (begin_retry(error.code != Code::refused && !is_full)) {
    return connect(upstream::Wanted::any);
  }
  if (is_tls) return answer(upstream_tls_failed, error.what);
  switch (error.code) {
    case Code::timed_out:
      return answer(upstream_connect_timeout, error.what);
    case Code::refused:
      return answer(upstream_connect_refused, error.what);
    case Code::exhausted:
      return answer(is_full ? upstream_pending_exceeded : gateway_exhausted, error.what);
    case Code::unavailable:
      return answer(gateway_no_local_port, error.what);
    default:
      return answer(upstream_unreachable, error.what);
  }
}

// Picks another endpoint when one may be tried. `is_counted`: the upstream's retry budget must allow it. It need not
// where nothing listens: nobody was asked for anything, and with most endpoints down the budget would refuse what the
// others could serve. The same holds where too many wait already.
bool Exchange::begin_retry(bool is_counted) {
  const upstream::Group& group = *decision_.target->group;
  if (tried_.size() > group.retries()) {
    retry_note_ = "not retried: `retries` used up";
  } else if (tried_.size() == group.members().size()) {
    retry_note_ = "not retried: every endpoint was tried";
  } else if (is_counted && !group.take_retry()) {
    worker_.metrics().retries_refused.add();
    retry_note_ = "not retried: `retry_budget` used up";
  } else if (!pick_endpoint()) {
    if (is_counted) group.budget().give_back();
    retry_note_ = "not retried: every endpoint was tried";
  } else {
    is_in_budget_ = is_counted;
    worker_.metrics().retries.add();
    retry_note_ = "another endpoint was tried: no connection";
    return true;
  }
  return false;
}

void Exchange::start_request_body() {
  if (client_->can_answer() && view_.request().expects_continue) client_->send_continue();
  is_body_begun_ = true;
  if (was_reused_) kept_body_.start(view_.upstream_request().body);
  client_->pull_body();
}

void Exchange::repeat_request_body() {
  for (net::Buffer& piece : kept_body_.take()) {
    if (!piece.empty()) upstream_->send_body(std::move(piece));
  }
  is_request_done_ ? upstream_->send_end(passed(request_trailers_)) : client_->pull_body();
}

void Exchange::end_attempt(upstream::Outcome outcome, const char* what) {
  const Instant now = worker_.loop().now();
  if (attempt_count_ < attempts_.size())
    attempts_[attempt_count_] = {
        .endpoint = endpoint_->name(), .outcome = what, .waited_us = (now - attempt_at_).count() / 1000};
  ++attempt_count_;
  last_endpoint_ = endpoint_->name();
  if (upstream_ != nullptr) {
    worker_.metrics().upstream_bytes_out.add(upstream_->sent_bytes());
    worker_.metrics().upstream_bytes_in.add(upstream_->received_bytes());
  }
  endpoint_->end(outcome, now, tried_);
  if (std::exchange(is_in_budget_, false)) decision_.target->group->budget().give_back();
  endpoint_ = nullptr;
  upstream_ = nullptr;
}

// A failed attempt may be made again when no byte of a response was seen and the peer cannot have acted on the request,
// or acting twice does no harm (RFC 9110 section 9.2.2), and the body is still whole.
bool Exchange::may_retry(const Error& error) const {
  const bool is_harmless = error.is_unsent || (was_reused_ && http::is_idempotent(view_.request().method));
  return error.retryable && is_harmless && !has_retried_stale_ && (!is_body_begun_ || kept_body_.is_kept());
}

const char* Exchange::why_not_retried(const Error& error) const {
  if (has_retried_stale_) return "not retried: it was once already";
  if (!error.retryable && was_reused_) return "not retried: the upstream had begun to answer";
  if (!was_reused_ && !error.is_unsent) return "not retried: the connection was fresh, the upstream may have acted";
  if (is_body_begun_ && !kept_body_.is_kept()) return "not retried: the request body had begun";
  return "not retried: the method is not idempotent";
}

void Exchange::on_upstream_failed(Error error) {
  timer_.cancel();
  if (error.side == Side::gateway) {
    end_attempt(upstream::Outcome::gateway_failed, error.what);
    return answer(error.code == Code::exhausted     ? gateway_exhausted
                  : error.code == Code::unsupported ? websocket_upstream_http2
                                                    : request_field_refused,
                  error.what);
  }
  upstream::Endpoint* const failed = endpoint_;
  const bool is_stale = error.retryable && was_reused_;
  const bool is_bad = error.code == Code::malformed || error.code == Code::too_large || error.code == Code::unsupported;
  end_attempt(is_stale ? upstream::Outcome::stale
              : is_bad ? upstream::Outcome::bad_response
                       : upstream::Outcome::reset,
              error.what);
  if (!is_head_sent_ && may_retry(error)) {
    retry_note_ = error.code == Code::refused
                      ? "retried: the upstream had refused the stream unseen (REFUSED_STREAM or GOAWAY)"
                      : "retried on a fresh connection: the pooled one had died before any response byte";
    has_retried_stale_ = true;
    worker_.metrics().retries.add();
    endpoint_ = failed;
    return connect(upstream::Wanted::fresh);
  }
  if (!is_head_sent_) retry_note_ = why_not_retried(error);
  answer(is_bad ? upstream_response_malformed : upstream_reset, error.what);
}

void Exchange::give_up_upstream(upstream::Outcome outcome, const char* what) {
  timer_.cancel();
  http::UpstreamHalf* const half = upstream_;
  if (endpoint_ != nullptr) end_attempt(outcome, what);
  attempt_.cancel();
  if (half != nullptr) half->cancel();
}

// ---- deadlines
// ---------------------------------------------------------------------------------------------------------

// What is waited for now, and until when. A side that waits for the other is not blamed.
Exchange::Deadline Exchange::next_deadline() const {
  if (stream_) {
    // While the client takes nothing, the upstream is not silent but unheard.
    return stream_->next_deadline(waits_for_client_ ? worker_.loop().now() : moved_at_);
  }
  const upstream::Timeouts& timeouts = planless_ ? planless_->timeouts : decision_.target->timeouts;
  const Instant now = worker_.loop().now();
  Deadline next{.at = now + timeouts.idle, .cause = nullptr};
  if (state_ == State::connecting) {
    next.at = Instant::max();  // the attempt has a timeout of its own
  } else if (!is_head_sent_ && is_request_done_) {
    next = {.at = request_done_at_ + timeouts.first_byte, .cause = &upstream_timeout_first_byte};
  } else if (!waits_for_client_ && (waits_for_upstream_ || is_head_sent_)) {
    next = {.at = moved_at_ + timeouts.idle, .cause = &upstream_timeout_idle};
  }
  if (timeouts.request.count() > 0 && begun_at_ + timeouts.request < next.at)
    next = {.at = begun_at_ + timeouts.request, .cause = &upstream_timeout_request};
  if (deadline_ < next.at) next = {.at = deadline_, .cause = &grpc_deadline_exceeded};
  return next;
}

// Whether the upstream, not yet having taken all that was written to it, has taken some since this was last asked.
// Nobody tells of each byte that leaves, only of the last.
bool Exchange::is_request_moving() {
  if (upstream_ == nullptr || upstream_->unsent_bytes() == 0) return false;
  const std::uint64_t taken = upstream_->sent_bytes() - upstream_->unsent_bytes();
  return std::exchange(taken_by_upstream_, taken) != taken;
}

void Exchange::arm_timer() {
  const Duration left = next_deadline().at - worker_.loop().now();
  worker_.loop().set_timer(timer_, left > Duration::zero() ? left : Duration::zero());
}

void Exchange::on_timer() {
  const Deadline deadline = next_deadline();
  if (deadline.cause == nullptr || deadline.at > worker_.loop().now()) return arm_timer();
  if (stream_) return end_event_stream(*deadline.cause);
  if (deadline.cause != &upstream_timeout_request && deadline.cause != &grpc_deadline_exceeded && is_request_moving()) {
    moved_at_ = request_done_at_ = worker_.loop().now();
    return arm_timer();
  }
  // An endpoint is not blamed for a client that sends or takes slowly.
  const bool is_client_slow =
      state_ == State::relaying && (waits_for_client_ || (!is_request_done_ && !waits_for_upstream_));
  give_up_upstream(is_client_slow ? upstream::Outcome::client_failed : upstream::Outcome::timed_out,
                   deadline.cause->code);
  if (!is_request_done_ && !view_.request().body.is_empty()) client_->close_after();
  answer(*deadline.cause, "");
}

}  // namespace sluice::gateway
