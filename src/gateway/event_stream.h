#pragma once
// What an exchange has beside itself while its response is an event stream: its own times, and a place among the
// streams that outlive reloads. The bytes are the exchange's affair. On the worker's thread.

#include "gateway/long_streams.h"

namespace sluice::gateway {

class Exchange;

class EventStream final : public LongStream {
 public:
  struct Deadline {
    Instant at;
    const Cause* cause;
  };
  EventStream(Exchange& exchange, net::Loop& loop, Admission admission, const EventStreamTerms& terms);

  // `moved_at`: when the last byte came.
  Deadline next_deadline(Instant moved_at) const;

 private:
  void adopt(const Plan& plan, const ListenerPlan& listener, const RoutePlan& route) override;
  void end_soon(const StreamEnd& end, Duration after) override;

  Exchange& exchange_;
  net::Loop& loop_;
  EventStreamTerms terms_;
  const Instant opened_at_;
  Instant expires_at_;
  Deadline asked_{.at = Instant::max(), .cause = nullptr};  // by a reload or the drain
};

}  // namespace sluice::gateway
