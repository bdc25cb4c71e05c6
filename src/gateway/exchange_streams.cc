// Exchanges that go on for long: event streams, and any response that outlives its plan.

#include <utility>

#include "gateway/exchange.h"
#include "gateway/worker.h"
#include "http/characters.h"

namespace sluice::gateway {

bool is_event_stream(const http::ResponseHead& head) {
  if (!head.body.is_unknown()) return false;
  const http::Field* const type = head.fields.find(http::FieldId::content_type);
  constexpr std::string_view wanted = "text/event-stream";
  if (type == nullptr || type->value.size() < wanted.size()) return false;
  const std::string_view rest = type->value.substr(wanted.size());
  return http::equals_lower(type->value.substr(0, wanted.size()), wanted) &&
         (rest.empty() || rest.front() == ';' || rest.front() == ' ' || rest.front() == '\t');
}

// The client has the head. From here on the times are those of an event stream.
void Exchange::begin_event_stream() {
  stream_ = std::make_unique<EventStream>(*this, worker_.loop(), Admission::of(*plan_, *listener_, *decision_.route),
                                          plan_->event_stream_terms(*listener_, *decision_.route));
  let_go_of_plan();
  worker_.metrics().event_streams_opened.add();
  worker_.metrics().event_streams_open.add();
  worker_.streams().add(*stream_, worker_.plans().current());
  arm_timer();
}

// In the right way: a client of an event stream drops an event that is not whole, and comes back.
void Exchange::end_event_stream(const Cause& cause) {
  give_up_upstream(upstream::Outcome::client_failed, cause.code);
  cause_ = &cause;
  finish(End::complete);
}

void Exchange::outlive_plan(const Plan& current) {
  if (state_ != State::relaying || !is_head_sent_ || planless_ || &*plan_ == &current) return;
  let_go_of_plan();
}

// Nothing may point into the plan afterwards. What the log wants of attempts that failed goes into the arena.
void Exchange::let_go_of_plan() {
  planless_.reset(new Planless{
      .listener = listener_->name,
      .route = std::string(decision_.route->name),
      .upstream = decision_.target->group->name(),
      .stats = plan_->route_stats[static_cast<std::size_t>(decision_.route - plan_->routes.data())],
      .endpoint = endpoint_->shared_from_this(),
      .timeouts = decision_.target->timeouts,
      .buffer_bytes = plan_->limits.exchange_buffer_bytes,
      .generation = plan_->generation,
      .listener_number = listener_->number,
      .is_logged = plan_->is_access_logged});
  if (std::exchange(is_in_budget_, false)) decision_.target->group->budget().give_back();
  for (std::size_t i = 0; i < std::min<std::size_t>(attempt_count_, attempts_.size()); ++i)
    attempts_[i].endpoint = view_.arena().copy(attempts_[i].endpoint);
  last_endpoint_ = {};
  listener_ = nullptr;
  decision_ = {};
  worker_.count_planless(1);
  plan_.release();
}

void Exchange::forget_stream() {
  worker_.count_planless(-1);
  if (stream_) {
    worker_.metrics().event_streams_open.subtract();
    worker_.streams().remove(*stream_);
    stream_.reset();
  }
  planless_.reset();
}

}  // namespace sluice::gateway
