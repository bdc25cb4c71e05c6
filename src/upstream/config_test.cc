#include "upstream/config.h"

#include <gtest/gtest.h>

namespace sluice::upstream {
namespace {

using namespace std::chrono_literals;

struct Root {
  UpstreamConfig upstream;
  static constexpr auto fields() { return std::tuple{config::field("u", &Root::upstream, "It.").required()}; }
};

struct Reading {
  explicit Reading(const std::string& text) {
    const auto document = config::parse(text, "u.yaml", diagnostics);
    is_good = document && config::read(*document, config, diagnostics);
  }
  bool says(const char* what) const { return diagnostics.render().find(what) != std::string::npos; }
  config::Diagnostics diagnostics;
  Root config;
  bool is_good = false;
};

TEST(UpstreamConfig, ReadsBothFormsOfEndpoints) {
  const Reading reading("u: {endpoints: [127.0.0.1:7001, {address: \"[::1]:7002\", weight: 2}], balance: round_robin}");
  EXPECT_TRUE(reading.is_good) << reading.diagnostics.render();
  const UpstreamConfig& config = reading.config.upstream;
  ASSERT_EQ(config.endpoints.size(), 2u);
  EXPECT_EQ(config.endpoints[0].address.text, "127.0.0.1:7001");
  EXPECT_EQ(config.endpoints[0].weight, 1u);
  EXPECT_EQ(config.endpoints[1].address.address.port, 7002);
  EXPECT_EQ(config.endpoints[1].weight, 2u);
  EXPECT_EQ(config.balance, Balance::round_robin);
}

TEST(UpstreamConfig, HasSafeDefaults) {
  const UpstreamConfig config;
  EXPECT_EQ(config.timeouts(), Timeouts{});
  EXPECT_EQ(config.balance, Balance::least_request);
  EXPECT_EQ(config.retries, 2u);
  EXPECT_EQ(config.keep_alive.max_idle, 256u);
  EXPECT_EQ(config.health.failures, 5u);
}

TEST(UpstreamConfig, RefusesWhatIsNoAddress) {
  const std::pair<const char*, const char*> cases[] = {
      {"users.internal:80", "endpoint names (DNS) are not supported yet: write the address"},
      {"localhost", "endpoint names (DNS) are not supported yet"},
      {"http://127.0.0.1:80", "an endpoint has no scheme"},
      {"127.0.0.1", "the port is missing"},
      {"127.0.0.1:0", "has port 0"},
      {"127.0.0.1:70000", "the port is no number from 0 to 65535"},
      {"0.0.0.0:80", "for a service on this machine write 127.0.0.1"},
      {"\"[::]:80\"", "for a service on this machine write 127.0.0.1"},
      {"\"::1:80\"", "stands in brackets"},
      {"1.2.3:80", "not an ip address"},
      {"[a, b]", "found a list"},
  };
  for (const auto& [text, wanted] : cases) {
    const Reading reading(std::string("u: {endpoints: [") + text + "]}");
    EXPECT_FALSE(reading.is_good) << text;
    EXPECT_TRUE(reading.says(wanted)) << reading.diagnostics.render();
    const Reading in_map(std::string("u: {endpoints: [{address: ") + text + "}]}");
    EXPECT_FALSE(in_map.is_good) << text;
  }
}

TEST(UpstreamConfig, ShowsANameAsAUserSeesIt) {
  const Reading reading("u:\n  endpoints:\n    - users.internal:80\n");
  EXPECT_TRUE(
      reading.says("u.yaml:3:7: error[endpoint_name]: u.endpoints[0]: 'users.internal:80' is a name\n"
                   "    3 |     - users.internal:80\n"
                   "      |       ^~~~~~~~~~~~~~~~~ want address:port, such as 127.0.0.1:7001 or [::1]:7001"))
      << reading.diagnostics.render();
  EXPECT_TRUE(reading.says(
      "\n   help: endpoint names (DNS) are not supported yet: write the address that the name stands for\n"));
}

TEST(UpstreamConfig, RefusesAnAddressGivenTwice) {
  const Reading reading("u:\n  endpoints:\n    - 127.0.0.1:1\n    - 127.0.0.1:2\n    - {address: 127.0.0.1:1}\n");
  EXPECT_FALSE(reading.is_good);
  EXPECT_TRUE(
      reading.says("u.yaml:5:17: error[duplicate_endpoint]: u.endpoints[2]: the endpoint 127.0.0.1:1 is given twice"))
      << reading.diagnostics.render();
  EXPECT_TRUE(reading.says("first given here")) << reading.diagnostics.render();
}

TEST(UpstreamConfig, RefusesValuesOutOfRange) {
  for (const char* const extra : {"retries: 6", "connect_timeout: 0", "health: {set_aside: 0}", "balance: random",
                                  "keep_alive: {max_idle: 70000}", "endpoint: 1"}) {
    const Reading reading(std::string("u: {endpoints: [127.0.0.1:1], ") + extra + "}");
    EXPECT_FALSE(reading.is_good) << extra;
  }
  EXPECT_FALSE(Reading("u: {endpoints: []}").is_good);
  EXPECT_FALSE(Reading("u: {}").is_good);
  EXPECT_FALSE(Reading("u: {endpoints: [{address: 127.0.0.1:1, weight: 0}]}").is_good);
}

TEST(Timeouts, ARouteReplacesWhatItGives) {
  TimeoutsConfig changes;
  EXPECT_EQ(merge(Timeouts{}, changes), Timeouts{});
  changes.first_byte = 3s;
  changes.request = 9s;
  const Timeouts merged = merge({.connect = 1s, .first_byte = 2s, .idle = 4s, .request = 5s}, changes);
  EXPECT_EQ(merged, (Timeouts{.connect = 1s, .first_byte = 3s, .idle = 4s, .request = 9s}));
}

}  // namespace
}  // namespace sluice::upstream
