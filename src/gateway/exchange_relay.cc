// The exchange's way through: the request's body to the upstream, the response back to the client. One chunk is under
// way in each direction; a side that takes no more is not fed.

#include <utility>

#include "gateway/causes.h"
#include "gateway/exchange.h"
#include "gateway/worker.h"
#include "http/causes.h"
#include "http/grpc.h"

namespace sluice::gateway {

// ---- the request's way
// -------------------------------------------------------------------------------------------------

void Exchange::on_request_body(net::Buffer bytes) {
  moved_at_ = worker_.loop().now();
  request_body_bytes_ += bytes.size();
  if (request_body_bytes_ > view_.request_body_limit()) {
    give_up_upstream(upstream::Outcome::client_failed, "request body too large");
    client_->close_after();
    return answer(http::request_body_too_large, "the body grew past the limit");
  }
  kept_body_.add(worker_.loop(), bytes);
  if (upstream_ == nullptr) return;  // a retry is connecting: the rest is pulled when it has
  upstream_->send_body(std::move(bytes));
  if (!is_full(upstream_->unsent_bytes())) return client_->pull_body();
  if (worker_.overload().weigh()) return give_up_for_memory();
  waits_for_upstream_ = true;
  taken_by_upstream_ = upstream_->sent_bytes() - upstream_->unsent_bytes();
  upstream_->want_room();
}

void Exchange::on_request_end(const http::FieldList& trailers) {
  moved_at_ = request_done_at_ = worker_.loop().now();
  is_request_done_ = true;
  request_trailers_ = trailers;
  if (upstream_ == nullptr) return;
  upstream_->send_end(passed(request_trailers_));
  // A large rest takes its time to leave: the wait for the answer begins when it has.
  if (is_full(4 * upstream_->unsent_bytes())) upstream_->want_room();
  arm_timer();
}

void Exchange::on_upstream_room() {
  moved_at_ = worker_.loop().now();
  if (is_request_done_) request_done_at_ = moved_at_;
  if (!std::exchange(waits_for_upstream_, false)) return;
  client_->pull_body();
}

void Exchange::give_up_for_memory() {
  give_up_upstream(upstream::Outcome::gateway_failed, gateway_memory_exhausted.code);
  client_->close_after();
  answer(gateway_memory_exhausted, "");
}

void Exchange::on_client_failed(Refusal refusal) {
  give_up_upstream(upstream::Outcome::client_failed, refusal.cause->code);
  client_->close_after();
  answer(*refusal.cause, refusal.detail);
}

// ---- the response's way
// ------------------------------------------------------------------------------------------------

void Exchange::on_interim(const http::ResponseHead& head) {
  moved_at_ = worker_.loop().now();
  if (head.status == 100) return;  // was, or was not, the gateway's to say
  // No policy sees interim responses: only what they are made for passes.
  http::ResponseHead interim{.status = head.status, .fields = {}, .body = {}};
  head.fields.each("link", [&](const http::Field& link) { interim.fields.add(view_.arena(), link); });
  client_->send_interim(interim);
}

void Exchange::on_response_head(const http::ResponseHead& head) {
  first_byte_at_ = moved_at_ = worker_.loop().now();
  kept_body_.drop();
  endpoint_->end_probe(tried_);
  response_ = head;
  if (is_grpc_) grpc_status_ = http::grpc::status_of(head.fields);  // trailers-only; else the trailers will tell
  // RFC 9110 section 6.6.1: who forwards a response without a date gives it one.
  if (response_.fields.find(http::FieldId::date) == nullptr)
    response_.fields.add(view_.arena(), "date", worker_.http_date());
  view_.set_response(response_);
  run_response_chain(*listener_, decision_, view_);
  status_ = response_.status;
  if (head.status == 101) return open_tunnel();
  if (!client_->send_head(response_)) {
    give_up_upstream(upstream::Outcome::bad_response, response_field_refused.code);
    cause_ = &response_field_refused;
    status_ = cause_->status;
    return finish(End::ended);
  }
  is_head_sent_ = true;
  if (is_event_stream(response_)) begin_event_stream();
  if (planless_) return upstream_->pull_body();
  // The timer stands at first_byte's deadline: an idle timeout that is shorter needs it sooner.
  const upstream::Timeouts& timeouts = decision_.target->timeouts;
  if (timeouts.idle < timeouts.first_byte) arm_timer();
  upstream_->pull_body();
}

void Exchange::on_response_body(net::Buffer bytes) {
  moved_at_ = worker_.loop().now();
  client_->send_body(std::move(bytes));
  if (!is_full(client_->unsent_bytes())) return upstream_->pull_body();
  if (worker_.overload().weigh()) return give_up_for_memory();
  waits_for_client_ = true;
  client_->want_room();
}

void Exchange::on_client_room() {
  moved_at_ = worker_.loop().now();
  if (!std::exchange(waits_for_client_, false)) return;
  upstream_->pull_body();
}

void Exchange::on_response_end(const http::FieldList& trailers) {
  timer_.cancel();
  if (is_grpc_ && trailers.size() > 0) grpc_status_ = http::grpc::status_of(trailers);
  end_attempt(upstream::Outcome::success, "ok");
  finish(End::complete, passed(trailers));
}

}  // namespace sluice::gateway
