#pragma once
// What a user may write about an upstream: the field tables and their defaults.
// Not what runs: that is Group, compiled from this (group.h).

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/time.h"
#include "config/value.h"
#include "net/address.h"
#include "upstream/tls_config.h"

namespace sluice::upstream {

inline constexpr std::size_t max_endpoints = 4096;  // of one upstream
inline constexpr std::uint32_t max_retries = 5;

// `127.0.0.1:7001`, or `{address: 127.0.0.1:7001, weight: 2}`.
struct EndpointConfig {
  // A numeric address that can be connected to: with a port, and not `0.0.0.0`.
  struct Target {
    net::Address address;
    std::string text;
    config::Place place;

    static constexpr const char* type_text = "address:port";
    static bool read(const config::Node& node, Target& out, config::ReadContext& context);
    static void schema(config::SchemaWriter& schema);
    static void dump(const Target& value, config::JsonWriter& json) { json.text(value.text); }
  };
  Target address;
  std::uint32_t weight = 1;
  config::Place place;

  static constexpr const char* doc = "One instance of the service.";
  static constexpr const char* type_text = "address:port, or map";
  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("address", &EndpointConfig::address, "Numeric address and port.").required().example("127.0.0.1:7001"),
        field("weight", &EndpointConfig::weight, 1u, 65'535u,
              "Share of the requests, against the other endpoints' weights."),
    };
  }
  static bool read(const config::Node& node, EndpointConfig& out, config::ReadContext& context);
  static void schema(config::SchemaWriter& schema);
};

enum class Balance : std::uint8_t { least_request, round_robin };
constexpr auto enum_names(Balance) {
  using config::EnumName;
  return std::array{EnumName{Balance::least_request, "least_request"}, EnumName{Balance::round_robin, "round_robin"}};
}

// When pooled connections are given up. Each worker pools for itself.
struct KeepAliveConfig {
  std::chrono::milliseconds idle_timeout{60'000};
  std::chrono::milliseconds max_age{600'000};
  std::uint32_t max_idle = 256;

  static constexpr const char* doc = "How connections to the endpoints are kept for later requests.";
  static constexpr auto fields() {
    using config::field;
    using std::chrono::hours;
    using std::chrono::milliseconds;
    return std::tuple{
        field("idle_timeout", &KeepAliveConfig::idle_timeout, milliseconds{10}, hours{24},
              "How long a connection may stand unused. Best shorter than what the service itself allows."),
        field(
            "max_age", &KeepAliveConfig::max_age, milliseconds{0}, hours{24 * 30},
            "How old a connection may become before it is replaced; 0 for no limit. Requests in progress are not cut."),
        field("max_idle", &KeepAliveConfig::max_idle, 0u, 65'535u,
              "Most unused connections kept, for each worker and endpoint. With 0 every request opens its own."),
    };
  }
};

// When an endpoint that fails is set aside.
struct HealthConfig {
  std::uint32_t failures = 5;
  std::chrono::milliseconds set_aside{10'000};
  std::uint32_t panic_below = 50;

  static constexpr const char* doc = "When an endpoint that fails is set aside, and for how long.";
  static constexpr auto fields() {
    using config::field;
    using std::chrono::hours;
    using std::chrono::milliseconds;
    return std::tuple{
        field("failures", &HealthConfig::failures, 0u, 1'000'000u,
              "Failures in a row (no connection, a timeout, a cut or malformed response; a 5xx answer is none) after "
              "which "
              "an endpoint is set aside; 0 for never."),
        field("set_aside", &HealthConfig::set_aside, milliseconds{1}, hours{1},
              "For how long. Then one request at a time probes it; each probe that fails doubles the time, up to 8 "
              "times."),
        field("panic_below", &HealthConfig::panic_below, 0u, 100u,
              "Percent. When a smaller share of the endpoints is in service, requests are spread over all of them, so "
              "that a few are not crushed by the load of all; what cannot connect is still tried at one in service. 0 "
              "for never."),
    };
  }
};

// How many retries may be in progress at once.
struct RetryBudgetConfig {
  std::uint32_t percent = 20;
  std::uint32_t min = 3;

  static constexpr const char* doc = "How many retries may be in progress at once, over all workers.";
  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("percent", &RetryBudgetConfig::percent, 0u, 100u, "Share of the upstream's attempts in progress."),
        field("min", &RetryBudgetConfig::min, 0u, 1'000'000u, "That many are allowed in any case."),
    };
  }
};

// Timeouts as written: on an upstream, and again on a route, where they replace the upstream's.
struct TimeoutsConfig {
  std::optional<std::chrono::milliseconds> connect;
  std::optional<std::chrono::milliseconds> first_byte;
  std::optional<std::chrono::milliseconds> idle;
  std::optional<std::chrono::milliseconds> request;

  static constexpr const char* doc = "Timeouts that replace the upstream's.";
  static constexpr auto fields() {
    using config::field;
    using std::chrono::hours;
    using std::chrono::milliseconds;
    return std::tuple{
        field("connect_timeout", &TimeoutsConfig::connect, milliseconds{1}, hours{1},
              "Time for one connection to be made."),
        field("first_byte_timeout", &TimeoutsConfig::first_byte, milliseconds{1}, hours{24},
              "Time from the end of the request to the response head."),
        field("idle_timeout", &TimeoutsConfig::idle, milliseconds{1}, hours{24},
              "Time in which no byte moves either way."),
        field("request_timeout", &TimeoutsConfig::request, milliseconds{0}, hours{24 * 7},
              "Time for the whole exchange, retries included; 0 for no limit."),
    };
  }
};

// The timeouts in force for one exchange. The whole exchange is unlimited by default, for the sake of long downloads
// and event streams: what hangs is caught by first_byte and idle.
struct Timeouts {
  Duration connect = std::chrono::seconds(5);
  Duration first_byte = std::chrono::seconds(60);
  Duration idle = std::chrono::seconds(60);
  Duration request{0};  // 0: none

  auto operator<=>(const Timeouts&) const = default;
};

// `base`, with what `changes` gives in its place.
Timeouts merge(const Timeouts& base, const TimeoutsConfig& changes);

// What is spoken to the endpoints.
enum class Protocol : std::uint8_t { automatic, http1, http2 };
constexpr auto enum_names(Protocol) {
  using config::EnumName;
  return std::array{EnumName{Protocol::automatic, "auto"}, EnumName{Protocol::http1, "http1"},
                    EnumName{Protocol::http2, "http2"}};
}

// The PROXY header that a connection to an endpoint begins with.
enum class ProxyProtocol : std::uint8_t { off, v1, v2 };
constexpr auto enum_names(ProxyProtocol) {
  using config::EnumName;
  return std::array{EnumName{ProxyProtocol::off, "off"}, EnumName{ProxyProtocol::v1, "v1"},
                    EnumName{ProxyProtocol::v2, "v2"}};
}

struct UpstreamConfig {
  std::vector<EndpointConfig> endpoints;
  std::optional<UpstreamTlsConfig> tls;
  Balance balance = Balance::least_request;
  Protocol protocol = Protocol::automatic;
  ProxyProtocol proxy_protocol = ProxyProtocol::off;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds first_byte_timeout{60'000};
  std::chrono::milliseconds idle_timeout{60'000};
  std::chrono::milliseconds request_timeout{0};
  std::uint32_t max_pending = 1024;
  std::uint32_t retries = 2;
  RetryBudgetConfig retry_budget;
  KeepAliveConfig keep_alive;
  HealthConfig health;
  config::Place place;

  static constexpr const char* doc = "A named group of endpoints that serve the same.";
  static constexpr const char* type_text = "map";
  static constexpr auto fields() {
    using config::field;
    using std::chrono::hours;
    using std::chrono::milliseconds;
    return std::tuple{
        field("endpoints", &UpstreamConfig::endpoints, "Where the service runs. Each address once.")
            .required()
            .non_empty()
            .example("[127.0.0.1:7001, {address: 127.0.0.1:7002, weight: 2}]"),
        field("tls", &UpstreamConfig::tls, "TLS to the endpoints. Without it they are spoken to in the clear."),
        field(
            "balance", &UpstreamConfig::balance,
            "How an endpoint is chosen. `least_request`: of two taken at random by weight, the one with fewer requests "
            "in flight for its weight. `round_robin`: in turn, by weight. Both are exact across workers."),
        field("protocol", &UpstreamConfig::protocol,
              "What is spoken to the endpoints. `http2` in the clear is by prior knowledge: many requests share a "
              "connection. `auto`: with `tls` what the endpoint chooses in the handshake (ALPN) of `http2` and "
              "`http1`; in "
              "the clear `http1`."),
        field("proxy_protocol", &UpstreamConfig::proxy_protocol,
              "Tells the endpoints the client's address by a PROXY header of that version, before all else on each "
              "connection. Each request then has a connection of its own, of HTTP/1.1. `off`: no header."),
        field("connect_timeout", &UpstreamConfig::connect_timeout, milliseconds{1}, hours{1},
              "Time for one connection to be made, its TLS handshake included. Past it, another endpoint is tried."),
        field("first_byte_timeout", &UpstreamConfig::first_byte_timeout, milliseconds{1}, hours{24},
              "Time from the end of the request to the response head."),
        field("idle_timeout", &UpstreamConfig::idle_timeout, milliseconds{1}, hours{24},
              "Time in which no byte moves either way."),
        field("request_timeout", &UpstreamConfig::request_timeout, milliseconds{0}, hours{24 * 7},
              "Time for the whole exchange, retries included; 0 for no limit, so that long streams work."),
        field("max_pending", &UpstreamConfig::max_pending, 1u, 1'000'000u,
              "Most connections that may be under way to one endpoint, over all workers. Past it another endpoint is "
              "tried, then 503 answered."),
        field("retries", &UpstreamConfig::retries, 0u, max_retries,
              "How many other endpoints are tried when no connection can be made."),
        field("retry_budget", &UpstreamConfig::retry_budget,
              "How many of those may be in progress at once, so that an upstream in trouble is not asked for more than "
              "it was. Past it the first failure is answered."),
        field("keep_alive", &UpstreamConfig::keep_alive, "How connections are kept for later requests."),
        field("health", &UpstreamConfig::health, "When an endpoint that fails is set aside."),
    };
  }
  // By the table; then no address twice, each repeat reported at its place.
  static bool read(const config::Node& node, UpstreamConfig& out, config::ReadContext& context);
  static void schema(config::SchemaWriter& schema);
  static config::Fault check(const UpstreamConfig& config);

  // `protocol`, or HTTP/1.1 where connections can be shared with nobody.
  Protocol spoken() const;
  std::vector<std::string> alpn() const;  // what is offered in a handshake, the preferred first
  Timeouts timeouts() const { return {connect_timeout, first_byte_timeout, idle_timeout, request_timeout}; }
};

}  // namespace sluice::upstream
