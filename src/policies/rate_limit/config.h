#pragma once
// Config of `rate_limit`.

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "policy/field_name.h"

namespace sluice::policies::rate_limit {

// What requests have in common that are counted together.
enum class By : std::uint8_t { address, consumer, route, host };
constexpr auto enum_names(By) {
  using config::EnumName;
  return std::array{EnumName{By::address, "address"}, EnumName{By::consumer, "consumer"}, EnumName{By::route, "route"},
                    EnumName{By::host, "host"}};
}

struct Config {
  std::vector<config::Rate> rates;
  std::optional<std::uint64_t> burst;
  std::vector<By> by{By::address};
  std::optional<policy::FieldName> header;
  std::uint32_t ipv6_prefix = 64;
  std::uint64_t cost = 1;
  std::uint64_t max_keys = 100'000;
  bool tell = true;

  static constexpr std::size_t most_rates = 4;
  static constexpr double most_ns = 366.0 * 86'400 * 1e9;

  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("rates", &Config::rates, "How many requests there may be in what time; of several, all count.")
            .required()
            .non_empty()
            .one_or_many()
            .example("[10/s, 1000/h]"),
        field(
            "burst", &Config::burst, std::uint64_t{1}, std::uint64_t{1'000'000'000},
            "How many may come at once after a pause. By default as many as the rate has in its time; 1 spaces all of "
            "them evenly."),
        field(
            "by", &Config::by,
            "What requests have in common that are counted together: `address` of the client, `consumer` (where there "
            "is none, its address), `route`, `host`.")
            .one_or_many()
            .non_empty(),
        field("header", &Config::header,
              "Header field whose value tells requests apart as well; absent is a value too."),
        field("ipv6_prefix", &Config::ipv6_prefix, 1u, 128u,
              "Bits of an IPv6 address that count: who has one usually has all of its network."),
        field("cost", &Config::cost, std::uint64_t{1}, std::uint64_t{1'000'000}, "What one request counts."),
        field("max_keys", &Config::max_keys, std::uint64_t{16}, std::uint64_t{10'000'000},
              "How many are told apart. Past it newcomers share what is left: none is forgotten while its use counts. "
              "16 bytes a key and rate are kept, once it is used."),
        field("tell", &Config::tell, "Whether responses carry `RateLimit` and `RateLimit-Policy`."),
    };
  }
  static const char* check(const Config& config) {
    if (config.rates.size() > most_rates) return "there are more than four rates";
    for (const config::Rate& rate : config.rates) {
      if (rate.count == 0) return "a rate of 0 lets nobody in: `respond` says so more clearly";
      if (rate.count > 1'000'000'000) return "a rate of more than 1000000000 is no limit";
      const double at_once = static_cast<double>(rate.per.count()) / static_cast<double>(rate.count) *
                             static_cast<double>(config.burst.value_or(rate.count));
      if (at_once > most_ns) return "what may come at once would take more than a year to come again";
      if (config.cost > config.burst.value_or(rate.count))
        return "the cost of one request is above what may come at once";
    }
    return nullptr;
  }
};

}  // namespace sluice::policies::rate_limit
