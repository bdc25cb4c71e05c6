#include <fmt/format.h>

#include "policy/credential_causes.h"
#include "policy/fixture_test.h"

namespace sluice::policies::api_key {

extern const policy::Kind& kind;

namespace {

using policy::Fixture;
using policy::Verdict;

class ApiKeyTest : public ::testing::Test {
 protected:
  ApiKeyTest() {
    const auto hash = [](std::string_view key) { return policy::KeyHash::text_of(policy::digest_of_key(key)); };
    world.know(
        fmt::format("consumers:\n  mobile: {{groups: [partners, beta], api_keys: ['{}', '{}']}}\n  old: {{api_keys: "
                    "'{}', valid_until: "
                    "2020-01-01}}\n  new: {{api_keys: '{}', valid_from: 2200-01-01T00:00:00Z}}\n",
                    hash("first"), hash("second"), hash("third"), hash("fourth")));
  }
  // "mobile" when it is let in as that consumer, "-" as nobody, else the answer's detail.
  std::string outcome(const policy::Made& policy, Fixture& request) {
    request.facts.wall_now = WallTime{std::chrono::hours(24 * 365 * 56)};
    request.begin();
    if (policy->on_request(request.exchange) == Verdict::replied) {
      EXPECT_EQ(request.answered("www-authenticate"), "ApiKey realm=\"api\"");
      EXPECT_EQ(request.exchange.made_reply().status, 401);
      EXPECT_EQ(request.exchange.identity(), nullptr);
      return request.exchange.made_reply().detail;
    }
    const policy::Identity* const identity = request.exchange.identity();
    return identity == nullptr ? "-" : std::string(identity->consumer);
  }
  std::string outcome(std::string_view yaml, std::string_view target, std::string_view fields = "") {
    Fixture request("GET", target, fields);
    return outcome(policy::make_policy(kind, yaml, world), request);
  }

  policy::World world;
};

TEST_F(ApiKeyTest, AKeyIsItsConsumer) {
  const auto policy = policy::make_policy(kind, "{}", world);
  Fixture request("GET", "/", "X-Api-Key: second\r\nX-Other: 1\r\n");
  EXPECT_EQ(outcome(policy, request), "mobile");
  const policy::Identity& identity = *request.exchange.identity();
  EXPECT_EQ(identity.method, "api_key");
  ASSERT_EQ(identity.groups.size(), 2u);
  EXPECT_EQ(identity.groups[1], "beta");
  EXPECT_EQ(request.sent("x-api-key"), "(none)");
  EXPECT_EQ(request.sent("x-other"), "1");
  EXPECT_EQ(request.told_text(), "the key of consumer mobile\n");
}

TEST_F(ApiKeyTest, WhoHasNoneOrABadOneIsRefused) {
  EXPECT_EQ(outcome("{}", "/"), "no key");
  EXPECT_EQ(outcome("{}", "/?x-api-key=first"), "no key");
  EXPECT_EQ(outcome("{}", "/", "X-Api-Key: First\r\n"), "an unknown key");
  EXPECT_EQ(outcome("{}", "/", "X-Api-Key: \r\n"), "an empty key");
  EXPECT_EQ(outcome("{}", "/", "X-Api-Key: first\r\nX-Api-Key: first\r\n"), "several keys");
  EXPECT_EQ(outcome("{}", "/", "X-Api-Key: " + std::string(1024, 'k') + "\r\n"), "an unknown key");
  EXPECT_EQ(outcome("{}", "/", "X-Api-Key: " + std::string(1025, 'k') + "\r\n"), "a key of more than 1024 bytes");
  EXPECT_EQ(outcome("{}", "/", "X-Api-Key: third\r\n"), "a consumer that is not valid any more");
  EXPECT_EQ(outcome("{}", "/", "X-Api-Key: fourth\r\n"), "a consumer that is not valid yet");
}

TEST_F(ApiKeyTest, OptionalLetsInWhoHasNoneAndNobodyElse) {
  EXPECT_EQ(outcome("optional: true", "/"), "-");
  EXPECT_EQ(outcome("optional: true", "/", "X-Api-Key: no\r\n"), "an unknown key");
  EXPECT_EQ(outcome("optional: true", "/", "X-Api-Key: first\r\n"), "mobile");
}

TEST_F(ApiKeyTest, InTheQueryItIsTakenOut) {
  const auto policy = policy::make_policy(kind, "query: k y", world);
  Fixture request("GET", "/a?x=1&k+y=first&z");
  EXPECT_EQ(outcome(policy, request), "mobile");
  EXPECT_EQ(request.exchange.upstream_request().query, "x=1&z");
  EXPECT_EQ(request.exchange.hidden_query_parameter(), "k y");
  Fixture alone("GET", "/a?k%20y=%66irst");
  EXPECT_EQ(outcome(policy, alone), "mobile");
  EXPECT_FALSE(alone.exchange.upstream_request().has_query);
  EXPECT_EQ(outcome("query: key", "/?key=first&key=first"), "several keys");
  EXPECT_EQ(outcome("query: key", "/", "X-Api-Key: first\r\n"), "no key");
}

TEST_F(ApiKeyTest, InACookieItIsTakenOut) {
  const auto policy = policy::make_policy(kind, "cookie: key", world);
  Fixture request("GET", "/", "Cookie: a=1; key=first; b=2\r\nCookie: c=3\r\n");
  EXPECT_EQ(outcome(policy, request), "mobile");
  EXPECT_EQ(request.sent("cookie"), "a=1; b=2; c=3");
  Fixture alone("GET", "/", "Cookie: key=first\r\n");
  EXPECT_EQ(outcome(policy, alone), "mobile");
  EXPECT_EQ(alone.sent("cookie"), "(none)");
  EXPECT_EQ(outcome("cookie: key", "/", "Cookie: Key=first; mykey=first\r\n"), "no key");
}

TEST_F(ApiKeyTest, ForwardLeavesItWhereItIs) {
  const auto policy = policy::make_policy(kind, "{header: x-key, query: key, forward: true}", world);
  Fixture request("GET", "/?key=first");
  EXPECT_EQ(outcome(policy, request), "mobile");
  EXPECT_EQ(request.exchange.upstream_request().query, "key=first");
  Fixture both("GET", "/?key=first", "X-Key: first\r\n");
  EXPECT_EQ(outcome(policy, both), "several keys");
}

TEST_F(ApiKeyTest, Mistakes) {
  EXPECT_NE(policy::diagnose(kind, "realm: 'a\"b'").find("a realm has no quotes"), std::string::npos);
  EXPECT_NE(policy::diagnose(kind, "query: ''").find("query"), std::string::npos);
}

}  // namespace
}  // namespace sluice::policies::api_key
