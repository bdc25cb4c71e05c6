#include "gateway/long_streams.h"

#include "gateway/causes.h"

namespace sluice::gateway {

Admission Admission::of(const Plan& plan, const ListenerPlan& listener, const RoutePlan& route) {
  return {.listener = listener.name,
          .bind = listener.bind,
          .route = plan.route_stats[static_cast<std::size_t>(&route - plan.routes.data())],
          .fingerprint = plan.admission_of(listener, route)};
}

Instant expiry(net::Loop& loop, Instant opened_at, Duration max_age, std::uint32_t jitter_percent) {
  if (max_age == Duration::zero()) return Instant::max();
  const std::uint64_t most = static_cast<std::uint64_t>(max_age.count()) / 100 * jitter_percent;
  const std::uint64_t jitter = most == 0 ? 0 : loop.random() % most;
  return opened_at + max_age - Duration(static_cast<std::int64_t>(jitter));
}

void LongStreams::add(LongStream& stream, const Plan& plan) {
  stream.place_ = streams_.size();
  streams_.push_back(&stream);
  if (is_draining_) {
    leave(stream, plan);
  } else {
    judge(stream, plan);
  }
}

void LongStreams::remove(LongStream& stream) {
  streams_.back()->place_ = stream.place_;
  streams_[stream.place_] = streams_.back();
  streams_.pop_back();
}

void LongStreams::adopt(const Plan& plan) {
  if (is_draining_) return;
  for (LongStream* const stream : streams_) judge(*stream, plan);
}

void LongStreams::drain(const Plan& plan, bool is_replaced) {
  is_draining_ = true;
  is_replaced_ = is_replaced;
  for (LongStream* const stream : streams_) leave(*stream, plan);
}

void LongStreams::judge(LongStream& stream, const Plan& plan) {
  const Admission& admission = stream.admission_;
  const ListenerPlan* const listener = plan.find_same(admission.listener, admission.bind);
  if (listener == nullptr)
    return stream.end_soon({&stream_listener_removed, StreamEnd::going_away}, within(plan.stream_close_spread));
  const RoutePlan* const route = plan.find_route(*admission.route);
  if (route == nullptr || plan.admission_of(*listener, *route) != admission.fingerprint)
    return stream.end_soon({&stream_route_changed, StreamEnd::service_restart}, within(change_spread));
  stream.adopt(plan, *listener, *route);
}

void LongStreams::leave(LongStream& stream, const Plan& plan) {
  stream.end_soon({&stream_drained, is_replaced_ ? StreamEnd::service_restart : StreamEnd::going_away},
                  within(plan.stream_close_spread));
}

Duration LongStreams::within(Duration spread) {
  constexpr std::uint64_t steps = 1 << 16;
  return spread / static_cast<std::int64_t>(steps) * static_cast<std::int64_t>(loop_.random() % steps);
}

}  // namespace sluice::gateway
