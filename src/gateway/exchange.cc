#include "gateway/exchange.h"

#include <algorithm>

#include "gateway/causes.h"
#include "gateway/fault_reply.h"
#include "gateway/worker.h"
#include "http/causes.h"
#include "http/grpc.h"
#include "net/security.h"

namespace sluice::gateway {

Exchange::Exchange(Worker& worker) : worker_(worker), timer_(net::Timer::of<&Exchange::on_timer>(this)) {}

void Exchange::start(const ListenerPlan& listener, PlanSlots::Pin plan, http::ClientHalf& half) {
  plan_ = std::move(plan);
  listener_ = &listener;
  client_ = &half;
  upstream_ = nullptr;
  endpoint_ = nullptr;
  tried_ = {};
  request_trailers_ = {};
  decision_ = {};
  cause_ = nullptr;
  detail_ = "";
  begun_at_ = half.started_at();
  deadline_ = Instant::max();
  is_grpc_ = false;
  grpc_status_ = http::grpc::unknown;
  first_byte_at_ = {};
  request_body_bytes_ = 0;
  connect_us_ = AccessRecord::absent;
  attempt_count_ = 0;
  last_endpoint_ = {};
  const net::Security* const security = half.security();
  tls_version_ = security != nullptr ? security->version : std::string_view();
  status_ = 0;
  state_ = State::deciding;
  is_request_done_ = is_body_begun_ = is_head_sent_ = waits_for_client_ = waits_for_upstream_ = has_retried_stale_ =
      false;
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
          .security = client_->security(),
          .listener = listener_->name,
          .route = {},
          .captures = {}};
}

http::ClientEvents* Exchange::begin(const ListenerPlan& listener, PlanSlots::Pin plan, http::ClientHalf& half,
                                    const http::Request& request) {
  const bool is_pressed = worker_.overload().is_pressed();
  start(listener, std::move(plan), half);
  is_in_begin_ = true;
  view_.begin(facts_of(request));
  if (http::grpc::is_grpc(request.fields)) {
    is_grpc_ = true;
    if (const Duration timeout = http::grpc::timeout_of(request.fields); timeout > Duration::zero())
      deadline_ = begun_at_ + timeout;
  }
  if (const char* const why = is_pressed ? why_shed() : nullptr) {
    answer(gateway_overloaded, why);
  } else if (is_misdirected()) {
    client_->close_after();
    answer(request_misdirected, "the connection was made for a host with another policy for client certificates");
  } else if (decision_ = decide(*plan_, *listener_, view_); decision_.target == nullptr) {
    send_made_reply();
  } else if (!pick_endpoint()) {
    answer(upstream_no_endpoint, "");
  } else {
    connect(upstream::Wanted::any);
  }
  is_in_begin_ = false;
  if (state_ != State::over) return this;
  worker_.recycle(*this);
  return nullptr;
}

// Row T01: a client that was let in without a certificate does not reach a host that wants one. RFC 9110 section 15.5.20.
bool Exchange::is_misdirected() const {
  const net::Security* const security = view_.facts().security;
  if (security == nullptr || listener_->tls == nullptr) return false;
  return listener_->tls->client_auth().applies_to(view_.request().host) != security->has_client_auth;
}

// Before any policy runs. The route is looked up only where one may be critical.
const char* Exchange::why_shed() const {
  route::Match match;
  const bool is_critical = plan_->has_critical_routes &&
                           listener_->router->match(view_.request(), client_->arena(), match) &&
                           plan_->routes[match.route].is_critical;
  return worker_.overload().why_refused(is_critical);
}

void Exchange::refuse(const ListenerPlan& listener, PlanSlots::Pin plan, http::ClientHalf& half,
                      const http::RefusedRequest& refused) {
  start(listener, std::move(plan), half);
  is_in_begin_ = true;
  http::Request* const seen = half.arena().make<http::Request>();  // enough of one for the log line
  seen->method = http::Method::other;
  seen->method_name = refused.method;
  seen->is_http2 = refused.is_http2;
  const std::size_t mark = std::min(refused.target.find('?'), refused.target.size());
  seen->path = refused.target.substr(0, mark);
  if (mark < refused.target.size())
    seen->query = refused.target.substr(mark + 1);  // secrets in it are masked like any query's
  view_.begin(facts_of(*seen));
  client_->close_after();
  answer(*refused.refusal.cause, refused.refusal.detail);
  is_in_begin_ = false;
  worker_.recycle(*this);
}

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
  }
  const bool is_grpc_fault = is_grpc_ && reply.cause != nullptr;
  response_ =
      is_grpc_fault ? http::grpc::fault_head(*reply.cause, view_.arena()) : reply_head(view_, worker_.http_date());
  if (is_grpc_fault) grpc_status_ = http::grpc::status_of(*reply.cause);
  view_.set_response(response_);
  run_response_chain(*listener_, decision_, view_);
  status_ = response_.status;
  if (!client_->send_head(response_)) {
    cause_ = &response_field_refused;
    status_ = cause_->status;
    return finish(End::ended);
  }
  if (!response_.body.is_empty()) client_->send_body(reply.body);
  finish(End::complete);
}

void Exchange::finish(End end, const http::FieldList* trailers) {
  timer_.cancel();
  kept_body_.drop();
  record(end);
  http::ClientHalf& client = *client_;
  Worker& worker = worker_;
  const bool is_in_begin = is_in_begin_;
  state_ = State::over;
  client_ = nullptr;
  if (planless_) forget_stream();
  if (end == End::complete) client.send_end(trailers);
  if (end == End::cut) client.abort();
  if (!is_in_begin) worker.recycle(*this);
}

}  // namespace sluice::gateway
