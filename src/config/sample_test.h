#pragma once
// A small config that uses every kind of field, for the tests of this room. Not a real part of the gateway's config.

#include <array>
#include <chrono>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "config/value.h"

namespace sluice::config::sample {

using namespace std::chrono_literals;

enum class Balance : std::uint8_t { round_robin, least_request };
constexpr auto enum_names(Balance) {
  return std::array{EnumName{Balance::round_robin, "round_robin"}, EnumName{Balance::least_request, "least_request"}};
}

// "host:port", or a map: a type with its own reader and a field table.
struct Endpoint {
  std::string address;
  std::uint32_t weight = 1;
  Place place;

  static constexpr auto fields() {
    return std::tuple{
        field("address", &Endpoint::address, "Host and port.").required().example("127.0.0.1:7001"),
        field("weight", &Endpoint::weight, 1u, 1000u, "Share of the requests."),
    };
  }
  static bool read(const Node& node, Endpoint& out, ReadContext& context) {
    if (node.is_map()) return read_struct(node, &out, struct_info<Endpoint>(), context);
    out.place = node.place();
    return read_text(node, out.address, context);
  }
  static void schema(SchemaWriter& schema) {
    schema.any_of({[&] { schema.text(); }, [&] { schema.structure(struct_info<Endpoint>()); }});
  }
  static constexpr const char* type_text = "endpoint";
};

struct Limit {
  std::uint32_t requests = 100;
  std::chrono::milliseconds window{1000};
  std::uint32_t burst = 1;
  Place place;

  static constexpr const char* doc = "How much is admitted.";
  static constexpr auto fields() {
    return std::tuple{
        field("requests", &Limit::requests, 1u, 1'000'000u, "Requests admitted per window and client key.")
            .help("to refuse every request use the `deny` policy"),
        field("window", &Limit::window, 1ms, 24h, "Length of the window. Longer windows are smoother."),
        field("burst", &Limit::burst, 1u, 1'000'000u, "Requests that may arrive at the same instant."),
    };
  }
  static Fault check(const Limit& limit) {
    if (limit.burst <= limit.requests) return {};
    return {.what = "the burst is larger than what a window admits", .field = "burst", .help = "raise `requests`"};
  }
};

struct Gateway {
  std::string name = "edge";
  bool trace = false;
  std::int16_t level = -3;
  std::uint64_t seed = 0;
  double share = 0.5;
  std::chrono::nanoseconds grace{250'000'000};
  std::chrono::seconds drain{30};
  Size body{64 * 1024};
  Rate admit{100, 1s};
  Balance balance = Balance::least_request;
  std::optional<std::chrono::milliseconds> timeout;
  std::vector<std::string> method;
  std::vector<Endpoint> endpoints;
  Map<Limit> limits;
  Map<std::string> labels;
  Located<std::string> to;
  Rare<Limit> limit;
  Secret token;

  static constexpr auto fields() {
    return std::tuple{
        field("name", &Gateway::name, "Name in logs.").non_empty(),
        field("trace", &Gateway::trace, "Write a trace."),
        field("level", &Gateway::level, "Level."),
        field("seed", &Gateway::seed, "Seed."),
        field("share", &Gateway::share, 0.0, 1.0, "Part of the requests."),
        field("grace", &Gateway::grace, "Time to finish."),
        field("drain", &Gateway::drain, 0s, 10min, "Time to drain."),
        field("body", &Gateway::body, Size{0}, Size{1 << 30}, "Largest body."),
        field("admit", &Gateway::admit, 1, 1'000'000, "Rate of admission."),
        field("balance", &Gateway::balance, "How an endpoint is picked."),
        field("timeout", &Gateway::timeout, "Whole exchange."),
        field("method", &Gateway::method, "Methods that match.").one_or_many(),
        field("endpoints", &Gateway::endpoints, "Who answers.").non_empty(),
        field("limits", &Gateway::limits, "Named limits."),
        field("labels", &Gateway::labels, "Labels | any."),
        field("to", &Gateway::to, "Upstream name.").required().example("users"),
        field("limit", &Gateway::limit, "The limit of all."),
        field("token", &Gateway::token, "Shared with the control plane."),
    };
  }
};

}  // namespace sluice::config::sample
