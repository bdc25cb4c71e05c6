#include "gateway/event_stream.h"

#include "gateway/causes.h"
#include "gateway/exchange.h"

namespace sluice::gateway {

EventStream::EventStream(Exchange& exchange, net::Loop& loop, Admission admission, const EventStreamTerms& terms)
    : LongStream(std::move(admission)),
      exchange_(exchange),
      loop_(loop),
      terms_(terms),
      opened_at_(loop.now()),
      expires_at_(expiry(loop, opened_at_, terms.max_age, terms.jitter_percent)) {}

EventStream::Deadline EventStream::next_deadline(Instant moved_at) const {
  Deadline next = asked_;
  if (expires_at_ < next.at) next = {.at = expires_at_, .cause = &stream_max_age};
  if (moved_at + terms_.idle_timeout < next.at) next = {.at = moved_at + terms_.idle_timeout, .cause = &stream_idle};
  return next;
}

void EventStream::adopt(const Plan& plan, const ListenerPlan& listener, const RoutePlan& route) {
  const EventStreamTerms fresh = plan.event_stream_terms(listener, route);
  if (fresh.max_age != terms_.max_age)
    expires_at_ = expiry(loop_, opened_at_, fresh.max_age, fresh.jitter_percent);
  terms_ = fresh;
  exchange_.on_stream_changed();
}

void EventStream::end_soon(const StreamEnd& end, Duration after) {
  const Instant at = loop_.now() + after;
  if (at >= asked_.at) return;
  asked_ = {.at = at, .cause = end.cause};
  exchange_.on_stream_changed();
}

}  // namespace sluice::gateway
