#pragma once
// The key `websocket` of a listener and of a route: what a WebSocket may do once it is open. How long its opening may
// take is the upstream's timeouts', as for any request.

#include <chrono>
#include <cstdint>
#include <optional>
#include <tuple>

#include "base/time.h"
#include "config/value.h"
#include "http/websocket/frame_meter.h"

namespace sluice::gateway {

// The limits of one WebSocket, in the form that it keeps for itself: no plan is needed for them.
struct WebSocketTerms {
  Duration idle_timeout{};
  Duration send_timeout{};
  Duration max_age{};  // 0: any
  std::uint32_t jitter_percent = 0;
  http::websocket::FrameLimits client;  // of what the client sends
};

// One table for a listener and a route.
template <class Config>
constexpr auto websocket_fields() {
  using config::field;
  using config::Size;
  using std::chrono::hours;
  using std::chrono::milliseconds;
  return std::tuple{
      field("idle_timeout", &Config::idle_timeout, milliseconds{10}, hours{24 * 7},
            "How long no byte may move either way. Then both sides get a Close frame, 1001."),
      field("send_timeout", &Config::send_timeout, milliseconds{10}, hours{24},
            "How long what waits for a side that reads slowly (`limits.exchange_buffer` and little more) may take to "
            "leave, all of it. Then the connection is cut."),
      field("max_age", &Config::max_age, milliseconds{0}, hours{24 * 365},
            "How long a WebSocket may stay open; 0 for any time. Then both sides get a Close frame, 1001."),
      field("max_age_jitter", &Config::max_age_jitter, 0u, 100u,
            "Percent of `max_age` by which it is shortened, by chance for each WebSocket, so that clients that came "
            "together do not come back together."),
      field("max_message", &Config::max_message, Size{0}, Size{std::uint64_t{1} << 50},
            "Largest message of a client, all its frames together, as it is on the wire (compressed, when an "
            "extension does that); 0 for any. Past it: Close, 1009."),
      field("messages", &Config::messages,
            "Most messages that a client may send, as many of them at once; a fragment of less than 126 bytes counts "
            "as a message. `0/s` for any number. Past it: Close, 1008."),
      field("pings", &Config::pings,
            "Most control frames (ping, pong, close) that a client may send. `0/s` for any number. Past it: Close, "
            "1008."),
  };
}

struct RouteWebSocketConfig;

struct WebSocketConfig {
  using milliseconds = std::chrono::milliseconds;
  milliseconds idle_timeout{600'000};
  milliseconds send_timeout{60'000};
  milliseconds max_age{0};
  std::uint32_t max_age_jitter = 10;
  config::Size max_message{16 << 20};
  config::Rate messages{1000};
  config::Rate pings{20};

  static constexpr const char* doc = "What an open WebSocket may do. A route's `websocket` replaces single keys of it.";
  static constexpr auto fields() { return websocket_fields<WebSocketConfig>(); }
  WebSocketTerms terms(const RouteWebSocketConfig& changes) const;
};

// `websocket: false`, `websocket: true`, or a map of what differs from the listener's.
struct RouteWebSocketConfig {
  using milliseconds = std::chrono::milliseconds;
  bool is_allowed = true;
  std::optional<milliseconds> idle_timeout, send_timeout, max_age;
  std::optional<std::uint32_t> max_age_jitter;
  std::optional<config::Size> max_message;
  std::optional<config::Rate> messages, pings;

  bool changes_limits() const {
    return idle_timeout || send_timeout || max_age || max_age_jitter || max_message || messages || pings;
  }

  static constexpr const char* doc = "What differs from the listener's `websocket`.";
  static constexpr const char* type_text = "false, or a map";
  static constexpr auto fields() { return websocket_fields<RouteWebSocketConfig>(); }
  static bool read(const config::Node& node, RouteWebSocketConfig& out, config::ReadContext& context);
  static void schema(config::SchemaWriter& schema);
  static void dump(const RouteWebSocketConfig& value, config::JsonWriter& json);
};

}  // namespace sluice::gateway
