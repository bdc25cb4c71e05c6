// Lets in so many requests in a time, for each client, consumer or whatever tells them apart. Counted at one place for
// all workers, and on over reloads as long as the policy is not changed.
//   source  draft-ietf-httpapi-ratelimit-headers-11 (RateLimit, RateLimit-Policy); RFC 9110 section 10.2.3
//   (Retry-After)

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/random.h"
#include "policies/rate_limit/config.h"
#include "policies/rate_limit/table.h"
#include "policy/kind.h"

namespace sluice::policies::rate_limit {

namespace {

using policy::Exchange;
using policy::Verdict;

constexpr std::int64_t second_ns = 1'000'000'000;

constexpr Cause rate_limited{
    "rate_limited", 429, Side::client, "too many requests",
    "A `rate_limit` of the route or listener admits no more of this client, consumer or whatever "
    "it counts by. `Retry-After` says when it will."};
constexpr std::array causes{&rate_limited};

std::int64_t seconds_up(std::int64_t ns) { return (ns + second_ns - 1) / second_ns; }

std::uint64_t burst_of(const Config& config, const config::Rate& rate) { return config.burst.value_or(rate.count); }

std::vector<Pace> paces_of(const Config& config) {
  std::vector<Pace> paces;
  for (const config::Rate& rate : config.rates) {
    const std::int64_t one = std::max<std::int64_t>(1, rate.per.count() / static_cast<std::int64_t>(rate.count));
    paces.push_back({.interval = one * static_cast<std::int64_t>(config.cost),
                     .tolerance = one * static_cast<std::int64_t>(burst_of(config, rate))});
  }
  return paces;
}

// `"100/s";q=100;w=1`, one for each rate.
std::string policy_text(const Config& config) {
  std::string text;
  for (const config::Rate& rate : config.rates)
    fmt::format_to(std::back_inserter(text), "{}\"{}\";q={};w={}", text.empty() ? "" : ", ", config::format(rate),
                   burst_of(config, rate), seconds_up(rate.per.count()));
  return text;
}

class RateLimit final : public policy::Policy {
 public:
  RateLimit(const Config& config, std::shared_ptr<Table> table)
      : config_(config), policy_text_(policy_text(config)), table_(std::move(table)) {
    for (const config::Rate& rate : config.rates) names_.push_back(config::format(rate));
  }

  Verdict on_request(Exchange& exchange) const override {
    if (exchange.facts().is_rehearsal) {
      exchange.tell("counts requests in service; not this one");
      return Verdict::next;
    }
    const Decision decision = table_->admit(key_of(exchange), exchange.facts().now);
    if (config_.tell) exchange.remember(this, decision);
    if (decision.is_admitted) {
      if (exchange.is_heard())
        exchange.tell(fmt::format("admitted: {} left of {}", decision.left, names_[decision.rate]));
      return Verdict::next;
    }
    exchange.reply(rate_limited, "");
    char text[24];
    const auto end = fmt::format_to(text, "{}", seconds_up(decision.wait_ns));
    exchange.add_reply_field("retry-after", exchange.arena().copy({text, end}));
    if (exchange.is_heard()) exchange.tell(fmt::format("refused: {} are used up", names_[decision.rate]));
    return Verdict::replied;
  }

  void on_response(Exchange& exchange) const override {
    const Decision* const decision = exchange.remembered<Decision>(this);
    if (decision == nullptr) return;
    char text[128];
    const auto end = fmt::format_to_n(text, sizeof text, "\"{}\";r={};t={}", names_[decision->rate], decision->left,
                                      seconds_up(decision->ahead_ns))
                         .out;
    http::FieldList& fields = exchange.response().fields;
    fields.add(exchange.arena(), "ratelimit-policy", policy_text_);
    fields.add(exchange.arena(), "ratelimit", exchange.arena().copy({text, end}));
  }

 private:
  // What is counted together has the same key. Each part begins with its length, so that no two ways to one text exist.
  std::string_view key_of(Exchange& exchange) const {
    std::string_view key = "";
    for (const By by : config_.by) key = append(exchange, key, part_of(exchange, by));
    if (config_.header) {
      exchange.request().fields.each(config_.header->name,
                                     [&](const http::Field& field) { key = append(exchange, key, field.value); });
    }
    return key;
  }
  static std::string_view append(Exchange& exchange, std::string_view key, std::string_view part) {
    const auto size = static_cast<std::uint32_t>(part.size());
    if (part.empty()) part = "";  // its data() may be null
    return exchange.arena().join(key, std::string_view(reinterpret_cast<const char*>(&size), sizeof size), part);
  }

  std::string_view part_of(Exchange& exchange, By by) const {
    switch (by) {
      case By::consumer:
        if (const policy::Identity* const identity = exchange.identity();
            identity != nullptr && !identity->consumer.empty())
          return exchange.arena().join("c", identity->consumer);
        [[fallthrough]];
      case By::address:
        return address_of(exchange);
      case By::route:
        return exchange.facts().route;
      case By::host:
        return exchange.request().host;
    }
    return {};
  }

  std::string_view address_of(Exchange& exchange) const {
    const net::Address& client = exchange.client();
    const std::size_t bits = client.is_v4 ? 128 : config_.ipv6_prefix;
    char* const text = exchange.arena().allocate_bytes(1 + client.ip.size());
    text[0] = 'a';
    for (std::size_t i = 0; i < client.ip.size(); ++i) {
      const std::size_t kept = std::min<std::size_t>(8, bits - std::min(bits, 8 * i));
      text[1 + i] = static_cast<char>(client.ip[i] & (0xff00 >> kept));
    }
    return {text, 1 + client.ip.size()};
  }

  const Config config_;
  const std::string policy_text_;
  std::vector<std::string> names_;  // of the rates, as the config has them
  const std::shared_ptr<Table> table_;
};

std::unique_ptr<const policy::Policy> make(const Config& config, policy::CompileContext& context) {
  auto table =
      context.keep<Table>([&] { return std::make_shared<Table>(config.max_keys, paces_of(config), kernel_random()); });
  return std::make_unique<RateLimit>(config, std::move(table));
}

const policy::Kind made = policy::make_kind<Config, make>({
    .name = "rate_limit",
    .stage = policy::Stage::admit,
    .summary = "Lets in so many requests in a time, for each client or consumer.",
    .causes = causes,
});

}  // namespace

const policy::Kind& kind = made;

}  // namespace sluice::policies::rate_limit
