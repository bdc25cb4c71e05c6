#pragma once
// The key `event_stream` of a listener and of a route: how long a response of the type text/event-stream may go on. It
// is relayed as any other.

#include <chrono>
#include <cstdint>
#include <optional>
#include <tuple>

#include "base/time.h"
#include "config/value.h"

namespace sluice::gateway {

// Of one stream, in the form that it keeps for itself.
struct EventStreamTerms {
  Duration idle_timeout{};
  Duration max_age{};  // 0: any
  std::uint32_t jitter_percent = 0;
};

// One table for a listener and a route.
template <class Config>
constexpr auto event_stream_fields() {
  using config::field;
  using std::chrono::hours;
  using std::chrono::milliseconds;
  return std::tuple{
      field("idle_timeout", &Config::idle_timeout, milliseconds{10}, hours{24 * 7},
            "How long the upstream may send no byte; in place of its `idle_timeout` and `request_timeout`, which end "
            "with the response head. Then the stream is ended."),
      field("max_age", &Config::max_age, milliseconds{0}, hours{24 * 365},
            "How long an event stream may go on; 0 for any time. Then it is ended, and the client comes back."),
      field("max_age_jitter", &Config::max_age_jitter, 0u, 100u,
            "Percent of `max_age` by which it is shortened, by chance for each stream, so that clients that came "
            "together do not come back together."),
  };
}

struct RouteEventStreamConfig;

struct EventStreamConfig {
  using milliseconds = std::chrono::milliseconds;
  milliseconds idle_timeout{600'000};
  milliseconds max_age{0};
  std::uint32_t max_age_jitter = 10;

  static constexpr const char* doc =
      "How long an event stream (text/event-stream) may go on. A route's `event_stream` replaces single keys of it.";
  static constexpr auto fields() { return event_stream_fields<EventStreamConfig>(); }
  EventStreamTerms terms(const RouteEventStreamConfig& changes) const;
};

// What differs on a route.
struct RouteEventStreamConfig {
  using milliseconds = std::chrono::milliseconds;
  std::optional<milliseconds> idle_timeout, max_age;
  std::optional<std::uint32_t> max_age_jitter;

  bool changes_limits() const { return idle_timeout || max_age || max_age_jitter; }
  static constexpr const char* doc = "What differs from the listener's `event_stream`.";
  static constexpr auto fields() { return event_stream_fields<RouteEventStreamConfig>(); }
};

inline EventStreamTerms EventStreamConfig::terms(const RouteEventStreamConfig& changes) const {
  return {.idle_timeout = changes.idle_timeout.value_or(idle_timeout),
          .max_age = changes.max_age.value_or(max_age),
          .jitter_percent = changes.max_age_jitter.value_or(max_age_jitter)};
}

}  // namespace sluice::gateway
