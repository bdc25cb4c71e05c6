#include "gateway/exchange.h"

#include "gateway/causes.h"
#include "gateway/fault_reply.h"
#include "gateway/worker.h"
#include "http/causes.h"

namespace sluice::gateway {

Exchange::Exchange(Worker& worker) : worker_(worker), timer_(net::Timer::of<&Exchange::on_timer>(this)) {}

void Exchange::start(const ListenerPlan& listener, PlanSlots::Pin plan, http::ClientHalf& half) {
  plan_ = std::move(plan);
  listener_ = &listener;
  client_ = &half;
  upstream_ = nullptr;
  endpoint_ = nullptr;
  tried_ = {};
  decision_ = {};
  cause_ = nullptr;
  detail_ = "";
  begun_at_ = half.started_at();
  first_byte_at_ = {};
  request_body_bytes_ = 0;
  connect_us_ = AccessRecord::absent;
  attempt_count_ = 0;
  status_ = 0;
  state_ = State::deciding;
  is_request_done_ = is_body_begun_ = is_head_sent_ = waits_for_client_ = waits_for_upstream_ = has_retried_stale_ = false;
  retry_note_ = "";
  worker_.metrics().requests_begun.add();
  worker_.metrics().requests_in_flight.add();
}

policy::Facts Exchange::facts_of(const http::Request& request) const {
  return {.request = &request,
          .arena = &client_->arena(),
          .now = worker_.loop().now(),
          .wall_now = worker_.loop().wall_now(),
          .random = worker_.loop().random(),
          .peer = client_->peer(),
          .listener = listener_->name,
          .route = {},
          .captures = {}};
}

http::ClientEvents* Exchange::begin(const ListenerPlan& listener, PlanSlots::Pin plan, http::ClientHalf& half,
                                    const http::Request& request) {
  start(listener, std::move(plan), half);
  is_in_begin_ = true;
  view_.begin(facts_of(request));
  decision_ = decide(*plan_, *listener_, view_);
  if (decision_.target == nullptr) {
    send_made_reply();
  } else if (!pick_endpoint()) {
    answer(upstream_no_endpoint, "");
  } else {
    connect(false);
  }
  is_in_begin_ = false;
  if (state_ != State::over) return this;
  worker_.recycle(*this);
  return nullptr;
}

void Exchange::refuse(const ListenerPlan& listener, PlanSlots::Pin plan, http::ClientHalf& half,
                      const http::RefusedRequest& refused) {
  start(listener, std::move(plan), half);
  is_in_begin_ = true;
  http::Request* const seen = half.arena().make<http::Request>();  // enough of one for the log line
  seen->method = http::Method::other;
  seen->method_name = refused.method;
  seen->path = refused.target;
  view_.begin(facts_of(*seen));
  client_->close_after();
  answer(*refused.refusal.cause, refused.refusal.detail);
  is_in_begin_ = false;
  worker_.recycle(*this);
}

// ---- attempts ----------------------------------------------------------------------------------------------------------

bool Exchange::pick_endpoint() {
  endpoint_ = decision_.target->group->pick(tried_, worker_.loop().now(), worker_.loop().random());
  return endpoint_ != nullptr;
}

void Exchange::connect(bool fresh_only) {
  state_ = State::connecting;
  attempt_at_ = moved_at_ = worker_.loop().now();
  endpoint_->begin();
  if (decision_.target->timeouts.request.count() > 0) arm_timer();
  attempt_.start(worker_.pool(), *endpoint_, decision_.target->timeouts, fresh_only, *this);
}

void Exchange::on_connection(http::UpstreamConnection& connection, bool is_reused) {
  state_ = State::relaying;
  was_reused_ = is_reused;
  if (!is_reused) connect_us_ = (worker_.loop().now() - attempt_at_).count() / 1000;
  attempt_at_ = moved_at_ = worker_.loop().now();
  is_request_done_ = view_.upstream_request().body.is_empty();
  request_done_at_ = attempt_at_;
  upstream_ = &connection.start(view_.upstream_request(), client_->arena(), *this);
  arm_timer();
  if (!is_request_done_) start_request_body();
}

void Exchange::on_no_connection(Error error) {
  end_attempt(error.side == Side::gateway         ? upstream::Outcome::gateway_failed
              : error.code == Code::timed_out     ? upstream::Outcome::connect_timed_out
                                                  : upstream::Outcome::connect_failed,
              error.what);
  const bool may_try_another = attempt_count_ <= decision_.target->group->retries() && error.side != Side::gateway;
  if (may_try_another && pick_endpoint()) {
    retry_note_ = "another endpoint was tried: no connection";
    worker_.metrics().retries.add();
    return connect(false);
  }
  retry_note_ = may_try_another ? "not retried: every endpoint was tried" : "not retried: `retries` used up";
  switch (error.code) {
    case Code::timed_out: return answer(upstream_connect_timeout, error.what);
    case Code::refused: return answer(upstream_connect_refused, error.what);
    case Code::exhausted: return answer(gateway_exhausted, error.what);
    default: return answer(upstream_unreachable, error.what);
  }
}

void Exchange::start_request_body() {
  if (client_->can_answer() && view_.request().expects_continue) client_->send_continue();
  is_body_begun_ = true;
  client_->pull_body();
}

void Exchange::end_attempt(upstream::Outcome outcome, const char* what) {
  const Instant now = worker_.loop().now();
  if (attempt_count_ < attempts_.size())
    attempts_[attempt_count_] = {.endpoint = endpoint_->name(), .outcome = what, .waited_us = (now - attempt_at_).count() / 1000};
  ++attempt_count_;
  if (upstream_ != nullptr) {
    worker_.metrics().upstream_bytes_out.add(upstream_->sent_bytes());
    worker_.metrics().upstream_bytes_in.add(upstream_->received_bytes());
  }
  endpoint_->end(outcome, now, tried_);
  endpoint_ = nullptr;
  upstream_ = nullptr;
}

// A failed attempt may be made again when no byte of a response was seen and the peer cannot have acted on the request, or
// acting twice does no harm (RFC 9110 section 9.2.2), and the body is still whole.
bool Exchange::may_retry(const Error& error, bool& fresh_only) const {
  fresh_only = true;
  return error.retryable && !is_body_begun_ && !has_retried_stale_ && was_reused_ &&
         http::is_idempotent(view_.request().method);
}

void Exchange::on_upstream_failed(Error error) {
  timer_.cancel();
  if (error.side == Side::gateway) {
    end_attempt(upstream::Outcome::gateway_failed, error.what);
    return answer(request_field_refused, error.what);
  }
  upstream::Endpoint* const failed = endpoint_;
  const bool is_stale = error.retryable && was_reused_;
  end_attempt(is_stale                         ? upstream::Outcome::stale
              : error.code == Code::malformed || error.code == Code::too_large ? upstream::Outcome::bad_response
                                               : upstream::Outcome::reset,
              error.what);
  bool fresh_only = false;
  if (!is_head_sent_ && may_retry(error, fresh_only)) {
    retry_note_ = "retried on a fresh connection: the pooled one had died before any response byte";
    has_retried_stale_ = true;
    worker_.metrics().retries.add();
    endpoint_ = failed;
    return connect(fresh_only);
  }
  if (!is_head_sent_)
    retry_note_ = is_body_begun_  ? "not retried: the request body had begun"
                  : !was_reused_  ? "not retried: the connection was fresh, the upstream may have acted"
                                  : "not retried: the method is not idempotent";
  const bool is_bad = error.code == Code::malformed || error.code == Code::too_large;
  answer(is_bad ? upstream_response_malformed : upstream_reset, error.what);
}

void Exchange::give_up_upstream(upstream::Outcome outcome, const char* what) {
  timer_.cancel();
  http::UpstreamHalf* const half = upstream_;
  if (endpoint_ != nullptr) end_attempt(outcome, what);
  attempt_.cancel();
  if (half != nullptr) half->cancel();
}

// ---- the request's way -------------------------------------------------------------------------------------------------

void Exchange::on_request_body(net::Buffer bytes) {
  moved_at_ = worker_.loop().now();
  request_body_bytes_ += bytes.size();
  if (request_body_bytes_ > view_.request_body_limit()) {
    give_up_upstream(upstream::Outcome::client_failed, "request body too large");
    client_->close_after();
    return answer(http::request_body_too_large, "the body grew past the limit");
  }
  upstream_->send_body(std::move(bytes));
  if (upstream_->unsent_bytes() <= relay_window_bytes) return client_->pull_body();
  waits_for_upstream_ = true;
  upstream_->want_room();
}

void Exchange::on_request_end(const http::FieldList&) {  // trailers are dropped (S24)
  moved_at_ = request_done_at_ = worker_.loop().now();
  is_request_done_ = true;
  upstream_->send_end(nullptr);
  arm_timer();
}

void Exchange::on_upstream_room() {
  moved_at_ = worker_.loop().now();
  if (!std::exchange(waits_for_upstream_, false)) return;
  client_->pull_body();
}

void Exchange::on_client_failed(Refusal refusal) {
  give_up_upstream(upstream::Outcome::client_failed, refusal.cause->code);
  client_->close_after();
  answer(*refusal.cause, refusal.detail);
}

// ---- the response's way ------------------------------------------------------------------------------------------------

void Exchange::on_interim(const http::ResponseHead& head) {
  moved_at_ = worker_.loop().now();
  if (head.status != 100) client_->send_interim(head);  // 100 was, or was not, the gateway's to say
}

void Exchange::on_response_head(const http::ResponseHead& head) {
  first_byte_at_ = moved_at_ = worker_.loop().now();
  response_ = head;
  view_.set_response(response_);
  run_response_chain(*listener_, decision_, view_);
  status_ = response_.status;
  if (!client_->send_head(response_)) {
    give_up_upstream(upstream::Outcome::bad_response, response_field_refused.code);
    cause_ = &response_field_refused;
    return finish(End::ended);
  }
  is_head_sent_ = true;
  upstream_->pull_body();
}

void Exchange::on_response_body(net::Buffer bytes) {
  moved_at_ = worker_.loop().now();
  client_->send_body(std::move(bytes));
  if (client_->unsent_bytes() <= relay_window_bytes) return upstream_->pull_body();
  waits_for_client_ = true;
  client_->want_room();
}

void Exchange::on_client_room() {
  moved_at_ = worker_.loop().now();
  if (!std::exchange(waits_for_client_, false)) return;
  upstream_->pull_body();
}

void Exchange::on_response_end(const http::FieldList&) {
  timer_.cancel();
  end_attempt(upstream::Outcome::success, "ok");
  finish(End::complete);
}

// ---- deadlines ---------------------------------------------------------------------------------------------------------

// What is waited for now, and until when. A side that waits for the other is not blamed.
Exchange::Deadline Exchange::next_deadline() const {
  const upstream::Timeouts& timeouts = decision_.target->timeouts;
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
  return next;
}

void Exchange::arm_timer() {
  const Duration left = next_deadline().at - worker_.loop().now();
  worker_.loop().set_timer(timer_, left > Duration::zero() ? left : Duration::zero());
}

void Exchange::on_timer() {
  const Deadline deadline = next_deadline();
  if (deadline.cause == nullptr || deadline.at > worker_.loop().now()) return arm_timer();
  give_up_upstream(upstream::Outcome::timed_out, deadline.cause->code);
  if (!is_request_done_) client_->close_after();
  answer(*deadline.cause, "");
}

// ---- answering and ending ----------------------------------------------------------------------------------------------

void Exchange::answer(const Cause& cause, const char* detail) {
  cause_ = &cause;
  detail_ = detail;
  if (!client_->can_answer()) {
    if (status_ == 0) status_ = cause.status;
    return finish(End::cut);
  }
  view_.made_reply() = {};
  view_.reply(cause, detail);
  send_made_reply();
}

void Exchange::send_made_reply() {
  auto& reply = view_.made_reply();
  if (reply.cause != nullptr) {
    cause_ = reply.cause;
    detail_ = reply.detail;
    make_fault_reply(*reply.cause, view_);
  }
  const bool is_head = view_.request().method == http::Method::head;
  const auto size = static_cast<std::int64_t>(reply.body.size());
  response_ = {.status = reply.status,
               .fields = reply.fields,
               .body = {is_head ? 0 : size},
               .announced_length = is_head ? size : http::BodySize::unknown};
  if (!reply.content_type.empty()) response_.fields.add(view_.arena(), "content-type", reply.content_type);
  response_.fields.add(view_.arena(), "date", worker_.http_date());
  view_.set_response(response_);
  run_response_chain(*listener_, decision_, view_);
  status_ = response_.status;
  if (!client_->send_head(response_)) {
    cause_ = &response_field_refused;
    return finish(End::ended);
  }
  if (!is_head && !reply.body.empty()) client_->send_body(reply.body);
  finish(End::complete);
}

void Exchange::finish(End end) {
  timer_.cancel();
  record();
  http::ClientHalf& client = *client_;
  Worker& worker = worker_;
  const bool is_in_begin = is_in_begin_;
  state_ = State::over;
  client_ = nullptr;
  if (end == End::complete) client.send_end(nullptr);
  if (end == End::cut) client.abort();
  if (!is_in_begin) worker.recycle(*this);
}

}  // namespace sluice::gateway
