#pragma once
// The whole config file as structs: what a user may write, with its defaults and meanings. docs/configuration.md and
// `sluice schema` are generated from these tables.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/value.h"
#include "gateway/event_stream_config.h"
#include "gateway/http2_config.h"
#include "gateway/limits_config.h"
#include "gateway/proxy_config.h"
#include "gateway/tls_config.h"
#include "gateway/websocket_config.h"
#include "net/address.h"
#include "policy/consumer_config.h"
#include "policy/entry.h"
#include "route/config.h"
#include "upstream/config.h"

namespace sluice::gateway {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

// `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:80`: a numeric address with a port.
struct BindAddress {
  net::Address address;
  std::string text;
  config::Place place;
  static bool read(const config::Node& node, BindAddress& out, config::ReadContext& context);
  static void schema(config::SchemaWriter& schema);
  static void dump(const BindAddress& value, config::JsonWriter& json) { json.text(value.text); }
  static constexpr const char* type_text = "address:port";
};

// What one client may make the gateway hold.
struct LimitsConfig {
  config::Size request_line{8 * 1024};
  config::Size header_line{8 * 1024};
  config::Size header_total{64 * 1024};
  std::uint32_t header_count = 100;
  config::Size min_upload_rate{240};
  config::Size min_download_rate{240};
  milliseconds rate_grace{5'000};

  static constexpr const char* doc = "Bounds on what one client may make the gateway hold and wait for.";
  static constexpr auto fields() {
    using config::field;
    using config::Size;
    return std::tuple{
        field("request_line", &LimitsConfig::request_line, Size{256}, Size{1 << 20}, "Longest request line."),
        field("header_line", &LimitsConfig::header_line, Size{256}, Size{1 << 20}, "Longest header line."),
        field("header_total", &LimitsConfig::header_total, Size{1024}, Size{1 << 22},
              "Largest head, request line included."),
        field("header_count", &LimitsConfig::header_count, 8u, 10'000u, "Most header lines."),
        field(
            "min_upload_rate", &LimitsConfig::min_upload_rate, Size{0}, Size{1 << 30},
            "Least bytes a second that a request body must bring, over the time it is waited for; 0 for none. Past it: "
            "408."),
        field("min_download_rate", &LimitsConfig::min_download_rate, Size{0}, Size{1 << 30},
              "Least bytes a second that a client must take of an answer that waits for it; 0 for none. Past it: cut."),
        field("rate_grace", &LimitsConfig::rate_grace, milliseconds{10}, hours{1},
              "How long a client may keep the gateway waiting before its rate counts. Bytes moved faster save up "
              "patience, at most `client_idle_timeout` of it."),
    };
  }
};

struct ListenerConfig {
  config::Located<std::string> name;
  BindAddress bind;
  std::optional<ListenerTlsConfig> tls;
  std::vector<policy::Entry> policies;
  milliseconds request_header_timeout{10'000};
  milliseconds keep_alive_timeout{60'000};
  milliseconds client_idle_timeout{60'000};
  std::vector<Protocol> protocols{Protocol::http1, Protocol::http2};
  Http2Config http2;
  LimitsConfig limits;
  WebSocketConfig websocket;
  EventStreamConfig event_stream;
  std::optional<ProxyProtocolConfig> proxy_protocol;
  config::Place place;

  bool speaks(Protocol protocol) const { return std::ranges::find(protocols, protocol) != protocols.end(); }
  // What is offered over TLS (RFC 7301), the preferred first.
  std::vector<std::string> alpn() const {
    std::vector<std::string> names;
    if (speaks(Protocol::http2)) names.emplace_back("h2");
    if (speaks(Protocol::http1)) names.emplace_back("http/1.1");
    return names;
  }

  static constexpr const char* doc = "An address that clients connect to.";
  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("name", &ListenerConfig::name, "Name, for routes, logs and metrics.").required().non_empty(),
        field("bind", &ListenerConfig::bind, "Address and port to accept on.").required().example("0.0.0.0:8080"),
        field("tls", &ListenerConfig::tls,
              "HTTPS, and with which certificates. Without it clients speak in the clear."),
        field("policies", &ListenerConfig::policies,
              "Policies for every request of this listener, after `global_policies`."),
        field("request_header_timeout", &ListenerConfig::request_header_timeout, milliseconds{10}, hours{1},
              "Time for a whole request head, from its first byte; no byte extends it."),
        field("keep_alive_timeout", &ListenerConfig::keep_alive_timeout, milliseconds{10}, hours{24},
              "How long a connection may stand idle between requests."),
        field("client_idle_timeout", &ListenerConfig::client_idle_timeout, milliseconds{10}, hours{24},
              "How long a client may neither send a byte of a body nor take a byte of an answer."),
        field("protocols", &ListenerConfig::protocols,
              "What clients may speak. Over TLS they choose (ALPN); `http2` in the clear is by prior knowledge: the "
              "client's "
              "first bytes say so.")
            .one_or_many()
            .non_empty(),
        field("http2", &ListenerConfig::http2, "What one HTTP/2 connection of a client may do."),
        field("limits", &ListenerConfig::limits, "Bounds on what one client may make the gateway hold and wait for."),
        field("websocket", &ListenerConfig::websocket,
              "What an open WebSocket may do. A route's `websocket` replaces single keys of it."),
        field("proxy_protocol", &ListenerConfig::proxy_protocol,
              "Proxies that send a PROXY header, version 1 or 2, before anything else: the address it tells is the "
              "client's, for limits, policies and the log."),
        field("event_stream", &ListenerConfig::event_stream,
              "How long an event stream may go on. A route's `event_stream` replaces single keys of it."),
    };
  }
};

// `to: users`, or `to: {users: 90, users_canary: 10}`.
struct RouteTargets {
  struct Target {
    std::string upstream;
    std::uint32_t weight;
    config::Place place;
  };
  std::vector<Target> targets;
  static bool read(const config::Node& node, RouteTargets& out, config::ReadContext& context);
  static void schema(config::SchemaWriter& schema);
  static void dump(const RouteTargets& value, config::JsonWriter& json);
  static constexpr const char* type_text = "upstream, or map of upstream to weight";
};

enum class EncodedSlash : std::uint8_t { reject, keep };
constexpr auto enum_names(EncodedSlash) {
  using config::EnumName;
  return std::array{EnumName{EncodedSlash::reject, "reject"}, EnumName{EncodedSlash::keep, "keep"}};
}

enum class Priority : std::uint8_t { normal, critical };
constexpr auto enum_names(Priority) {
  using config::EnumName;
  return std::array{EnumName{Priority::normal, "normal"}, EnumName{Priority::critical, "critical"}};
}

struct RouteConfig {
  config::Located<std::string> name;
  route::MatchConfig match;
  std::vector<policy::Entry> policies;
  config::Located<std::optional<RouteTargets>> to;  // its place is known when the key is there, even with a bad value
  config::Rare<upstream::TimeoutsConfig> timeouts;
  EncodedSlash encoded_slash = EncodedSlash::reject;
  Priority priority = Priority::normal;
  config::Rare<RouteWebSocketConfig> websocket;
  config::Rare<RouteEventStreamConfig> event_stream;
  config::Place place;

  static constexpr const char* doc = "Which requests, what is done to them, and where they go.";
  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("name", &RouteConfig::name, "Name, for logs, metrics and `explain`.").required().non_empty(),
        field("match", &RouteConfig::match, "What a request must look like. Without it: every request."),
        field("policies", &RouteConfig::policies,
              "Policies of this route, after the listener's; names of sets may stand here."),
        field("to", &RouteConfig::to,
              "Where the requests go. One upstream, or several with weights; may be absent when a policy always "
              "answers."),
        field("timeouts", &RouteConfig::timeouts, "Timeouts that replace the upstream's for this route."),
        field("encoded_slash", &RouteConfig::encoded_slash,
              "What is done with a `%2F` in the path. `reject`: the request is refused with 400; `keep`: it stays as "
              "it is, inside its "
              "segment."),
        field("priority", &RouteConfig::priority,
              "Who is served when the gateway is overloaded: requests of `critical` routes are shed last."),
        field("websocket", &RouteConfig::websocket,
              "WebSockets pass by every route that sends to an upstream. `false`: a request for one is answered 403. A "
              "map: what differs from the listener's `websocket`."),
        field("event_stream", &RouteConfig::event_stream, "What differs from the listener's `event_stream`."),
    };
  }
};

struct AdminConfig {
  BindAddress bind;
  AdminConfig();
  static constexpr const char* doc = "The admin listener: /healthz, /readyz, /metrics.";
  static constexpr auto fields() {
    return std::tuple{config::field("bind", &AdminConfig::bind, "Address and port. Keep it on the loopback.")};
  }
};

struct AccessLogConfig {
  std::string to = "stdout";
  static constexpr const char* doc = "One JSON line for each exchange.";
  static constexpr auto fields() {
    return std::tuple{
        config::field("to", &AccessLogConfig::to, "`stdout`, `stderr`, `off`, or the path of a file to append to.")};
  }
  static const char* check(const AccessLogConfig& config);
};

// One expectation about routing, checked by `sluice check` and before every reload.
struct TestConfig {
  struct Request {
    std::string method = "GET";
    config::Located<std::string> url;
    config::Map<std::string> headers;
    std::optional<std::string> listener;
    static constexpr const char* doc = "The request that is tried.";
    static constexpr auto fields() {
      using config::field;
      return std::tuple{
          field("method", &Request::method, "Method.").non_empty(),
          field("url", &Request::url, "Absolute URL; its host is what routes match.")
              .required()
              .example("http://api.example.com/users/42"),
          field("headers", &Request::headers, "Request header fields."),
          field("listener", &Request::listener,
                "Listener it arrives on. When absent, the first that speaks the URL's scheme."),
      };
    }
  };
  struct Expect {
    std::optional<config::Located<std::string>> route;
    std::optional<config::Located<std::string>> upstream;
    std::optional<config::Located<std::uint16_t>> status;
    std::optional<config::Located<std::string>> path;
    std::optional<config::Located<std::string>> cause;
    config::Map<std::string> headers;
    static constexpr const char* doc = "What must come of it. Absent keys are not looked at.";
    static constexpr auto fields() {
      using config::field;
      return std::tuple{
          field("route", &Expect::route, "Name of the route; `none` when no route may match."),
          field("upstream", &Expect::upstream, "Name of the upstream; of a weighted split, any one it may go to."),
          field("status", &Expect::status, 100, 599, "Status of an answer that the gateway itself makes."),
          field("path", &Expect::path, "Path (and query) that the upstream sees."),
          field("cause", &Expect::cause, "Cause code of the gateway's answer."),
          field("headers", &Expect::headers,
                "Header fields: of the request as the upstream sees it, or of the gateway's own answer. `\"\"` means "
                "absent."),
      };
    }
  };
  Request request;
  Expect expect;
  config::Place place;
  static constexpr const char* doc = "A request and what must come of it.";
  static constexpr auto fields() {
    using config::field;
    return std::tuple{field("request", &TestConfig::request, "The request.").required(),
                      field("expect", &TestConfig::expect, "The expectation.").required()};
  }
};

struct RootConfig {
  std::vector<ListenerConfig> listeners;
  config::Map<upstream::UpstreamConfig> upstreams;
  config::Map<std::vector<policy::Entry>> policies;
  std::vector<policy::Entry> global_policies;
  config::Map<policy::ConsumerConfig> consumers;
  std::vector<config::Located<std::string>> consumers_from;
  std::vector<RouteConfig> routes;
  std::vector<TestConfig> tests;
  AdminConfig admin;
  AccessLogConfig access_log;
  SharedLimitsConfig limits;
  milliseconds drain_delay{5'000};
  milliseconds drain_timeout{30'000};
  milliseconds stream_close_spread{5'000};
  std::string user;
  std::string group;

  static constexpr const char* doc = "Sluice configuration.";
  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("listeners", &RootConfig::listeners, "Addresses that clients connect to.").required().non_empty(),
        field("upstreams", &RootConfig::upstreams, "Named groups of endpoints."),
        field("policies", &RootConfig::policies, "Named sets of policies, for use by name."),
        field("global_policies", &RootConfig::global_policies,
              "Policies for every request, before a listener's and a route's."),
        field("consumers", &RootConfig::consumers, "Who has credentials, by name."),
        field(
            "consumers_from", &RootConfig::consumers_from,
            "Files with more `consumers`, and folders whose *.yaml are such files. A change is live without a reload.")
            .one_or_many()
            .non_empty()
            .example("[/etc/sluice/consumers.d]"),
        field("routes", &RootConfig::routes,
              "What is matched and where it goes. Their order decides only between equals."),
        field("tests", &RootConfig::tests, "Expectations that `check` and every reload verify."),
        field("admin", &RootConfig::admin, "The admin listener."),
        field("access_log", &RootConfig::access_log, "Where the access log goes."),
        field("limits", &RootConfig::limits, "Bounds on what all clients together may make the gateway hold and do."),
        field("drain_delay", &RootConfig::drain_delay, milliseconds{0}, hours{1},
              "How long after SIGTERM connections are still taken and served, while `/readyz` says 503 and answers ask "
              "to close, so that balancers look away first: longer than they take to notice. SIGINT does not wait."),
        field("drain_timeout", &RootConfig::drain_timeout, milliseconds{0}, hours{24},
              "How long SIGTERM waits, after `drain_delay`, for exchanges in progress."),
        field("stream_close_spread", &RootConfig::stream_close_spread, milliseconds{0}, hours{1},
              "When the process stops or is replaced, or their listener is removed, WebSockets and event streams are "
              "ended one by one over this time, so that their clients do not come back all at once. Keep it below "
              "`drain_timeout`."),
        field("user", &RootConfig::user,
              "Whom the gateway process becomes when it was started as root, once its sockets and its log are open: a "
              "name or a number. Read at the start only."),
        field("group", &RootConfig::group, "Its group, a name or a number; default: the user's."),
    };
  }
};

}  // namespace sluice::gateway
