#include <atomic>
#include <map>
#include <thread>
#include <vector>

#include "policies/rate_limit/table.h"
#include "policy/fixture_test.h"

namespace sluice::policies::rate_limit {

extern const policy::Kind& kind;

namespace {

using namespace std::chrono_literals;
using policy::Fixture;
using policy::Verdict;

constexpr Instant start{1'000'000s};
constexpr std::int64_t ms = 1'000'000;

TEST(RateLimitTable, ABurstAndThenThePace) {
  Table table(16, std::vector<Pace>{{.interval = 100 * ms, .tolerance = 500 * ms}}, 1);
  for (int i = 0; i < 5; ++i) {
    const Decision decision = table.admit("a", start);
    EXPECT_TRUE(decision.is_admitted);
    EXPECT_EQ(decision.left, 4 - i);
    EXPECT_EQ(decision.ahead_ns, (i + 1) * 100 * ms);
  }
  const Decision refused = table.admit("a", start);
  EXPECT_FALSE(refused.is_admitted);
  EXPECT_EQ(refused.wait_ns, 100 * ms);
  EXPECT_FALSE(table.admit("a", start + 99ms).is_admitted) << "a refused one is not counted";
  EXPECT_TRUE(table.admit("a", start + 100ms).is_admitted);
  EXPECT_FALSE(table.admit("a", start + 100ms).is_admitted);
  EXPECT_TRUE(table.admit("b", start + 100ms).is_admitted);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(table.admit("a", start + 10s).is_admitted) << i;
  EXPECT_FALSE(table.admit("a", start + 10s).is_admitted);
}

TEST(RateLimitTable, OfSeveralRatesAllCountAndARefusedRequestCountsForNone) {
  Table table(
      16,
      std::vector<Pace>{{.interval = 10 * ms, .tolerance = 100 * ms}, {.interval = 1000 * ms, .tolerance = 3000 * ms}},
      1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(table.admit("a", start).is_admitted);
  for (int i = 0; i < 100; ++i) {
    const Decision refused = table.admit("a", start);
    EXPECT_FALSE(refused.is_admitted);
    EXPECT_EQ(refused.rate, 1u);
  }
  const Decision next = table.admit("a", start + 1s);
  EXPECT_TRUE(next.is_admitted) << "the first rate was given back what the refused ones had taken";
  EXPECT_EQ(next.rate, 1u);
}

// Threads of one process, whose clocks differ a little, against 100/s evenly spaced: in no second more, and no fewer.
TEST(RateLimitTable, IsExactOverThreads) {
  Table table(16, std::vector<Pace>{{.interval = 10 * ms, .tolerance = 10 * ms}}, 1);
  constexpr int threads = 64, milliseconds = 5000;
  std::atomic<int> now_ms{0};
  std::vector<std::atomic<int>> admitted(milliseconds / 1000 + 1);
  std::vector<std::thread> all;
  for (int i = 0; i < threads; ++i)
    all.emplace_back([&] {
      for (int at = 0; (at = now_ms.fetch_add(1)) < 64 * milliseconds;)
        if (table.admit("key", start + std::chrono::microseconds(at * 1000 / 64)).is_admitted)
          ++admitted[at / 64 / 1000];
    });
  for (std::thread& one : all) one.join();
  for (int second = 0; second < milliseconds / 1000; ++second) {
    EXPECT_GE(admitted[second], 98) << second;
    EXPECT_LE(admitted[second], 102) << second;
  }
}

TEST(RateLimitTable, NobodyIsForgottenWhileItsUseCounts) {
  Table table(100, std::vector<Pace>{{.interval = 1000 * ms, .tolerance = 1000 * ms}}, 7);
  std::vector<std::string> admitted;
  for (int i = 0; i < 10'000; ++i)
    if (std::string key = "key" + std::to_string(i); table.admit(key, start).is_admitted)
      admitted.push_back(std::move(key));
  EXPECT_GE(admitted.size(), 100u);
  EXPECT_LE(admitted.size(), table.capacity() + table.capacity() / 8)
      << "those past it share one number in each corner";
  EXPECT_GT(table.shared(), 9'000u);
  for (const std::string& key : admitted) EXPECT_FALSE(table.admit(key, start + 900ms).is_admitted) << key;
  int later = 0;
  for (int i = 20'000; i < 20'100; ++i) later += table.admit("key" + std::to_string(i), start + 2s).is_admitted;
  EXPECT_GE(later, 90) << "who is back at a full allowance makes room";
}

class RateLimitTest : public ::testing::Test {
 protected:
  Verdict ask(const policy::Made& policy, std::string_view fields = "", std::string_view peer = "192.0.2.7") {
    last_ = std::make_unique<Fixture>("GET", "/", fields);
    last_->set_peer(peer);
    last_->facts.now = now_;
    last_->begin();
    if (!consumer_.empty()) last_->exchange.set_identity({.consumer = consumer_, .method = "test"});
    const Verdict verdict = policy->on_request(last_->exchange);
    policy->on_response(last_->exchange);
    return verdict;
  }
  policy::World world_;
  Instant now_ = start;
  std::string consumer_;
  std::unique_ptr<Fixture> last_;
};

TEST_F(RateLimitTest, SaysWhatIsLeftAndWhenToComeAgain) {
  const auto policy = policy::make_policy(kind, "rates: [2/s, 100/h]", world_);
  EXPECT_EQ(ask(policy), Verdict::next);
  EXPECT_EQ(last_->returned("ratelimit-policy"), "\"2/s\";q=2;w=1, \"100/h\";q=100;w=3600");
  EXPECT_EQ(last_->returned("ratelimit"), "\"2/s\";r=1;t=1");
  EXPECT_EQ(last_->told_text(), "admitted: 1 left of 2/s\n");
  EXPECT_EQ(ask(policy), Verdict::next);
  EXPECT_EQ(ask(policy), Verdict::replied);
  EXPECT_EQ(last_->exchange.made_reply().status, 429);
  EXPECT_EQ(last_->answered("retry-after"), "1");
  EXPECT_EQ(last_->returned("ratelimit"), "\"2/s\";r=0;t=1");
  EXPECT_EQ(last_->told_text(), "refused: 2/s are used up\n");
  now_ += 500ms;
  EXPECT_EQ(ask(policy), Verdict::next);
  policy::World other;
  const auto quiet = policy::make_policy(kind, "{rates: 1/s, tell: false}", other);
  EXPECT_EQ(ask(quiet), Verdict::next);
  EXPECT_EQ(last_->returned("ratelimit"), "(none)");
}

TEST_F(RateLimitTest, WhatIsCountedTogether) {
  const auto by_address = policy::make_policy(kind, "{rates: 1/h}", world_);
  EXPECT_EQ(ask(by_address, "", "192.0.2.7"), Verdict::next);
  EXPECT_EQ(ask(by_address, "", "192.0.2.8"), Verdict::next);
  EXPECT_EQ(ask(by_address, "", "192.0.2.7"), Verdict::replied);
  EXPECT_EQ(ask(by_address, "", "2001:db8:0:1::1"), Verdict::next);
  EXPECT_EQ(ask(by_address, "", "2001:db8:0:1:ffff::2"), Verdict::replied) << "one network of 64 bits";
  EXPECT_EQ(ask(by_address, "", "2001:db8:0:2::1"), Verdict::next);
  policy::World other;
  const auto by_both = policy::make_policy(kind, "{rates: 1/h, by: consumer, header: x-tenant}", other);
  consumer_ = "a";
  EXPECT_EQ(ask(by_both, "X-Tenant: 1\r\n"), Verdict::next);
  EXPECT_EQ(ask(by_both, "X-Tenant: 1\r\n", "192.0.2.99"), Verdict::replied);
  EXPECT_EQ(ask(by_both, "X-Tenant: 2\r\n"), Verdict::next);
  consumer_ = "b";
  EXPECT_EQ(ask(by_both, "X-Tenant: 1\r\n"), Verdict::next);
  consumer_ = "";
  EXPECT_EQ(ask(by_both), Verdict::next) << "nobody is counted by address";
  EXPECT_EQ(ask(by_both, "", "192.0.2.8"), Verdict::next);
  EXPECT_EQ(ask(by_both), Verdict::replied);
}

TEST_F(RateLimitTest, GoesOnOverReloadsWhileItIsDefinedAlike) {
  EXPECT_EQ(ask(policy::make_policy(kind, "rates: 1/h", world_)), Verdict::next);
  EXPECT_EQ(ask(policy::make_policy(kind, "rates: 1/h", world_)), Verdict::replied);
}

TEST_F(RateLimitTest, ARehearsalCountsForNothing) {
  const auto policy = policy::make_policy(kind, "rates: 1/h", world_);
  Fixture rehearsal("GET", "/");
  rehearsal.facts.is_rehearsal = true;
  rehearsal.begin();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(policy->on_request(rehearsal.exchange), Verdict::next);
  EXPECT_EQ(ask(policy), Verdict::next);
}

TEST_F(RateLimitTest, CostAndBurst) {
  const auto policy = policy::make_policy(kind, "{rates: 10/s, burst: 4, cost: 2}", world_);
  EXPECT_EQ(ask(policy), Verdict::next);
  EXPECT_EQ(ask(policy), Verdict::next);
  EXPECT_EQ(ask(policy), Verdict::replied);
  now_ += 200ms;
  EXPECT_EQ(ask(policy), Verdict::next);
}

TEST_F(RateLimitTest, Mistakes) {
  const auto says = [](std::string_view yaml, std::string_view what) {
    EXPECT_NE(policy::diagnose(kind, yaml).find(what), std::string::npos) << policy::diagnose(kind, yaml);
  };
  says("{}", "rates");
  says("rates: 0/s", "lets nobody in");
  says("{rates: 1/s, cost: 2}", "the cost of one request is above");
  says("{rates: 1/d, burst: 400}", "more than a year");
  says("rates: [1/s, 2/s, 3/s, 4/s, 5/s]", "more than four rates");
  says("{rates: 1/s, by: adress}", "did you mean 'address'?");
  EXPECT_EQ(policy::diagnose(kind, "{rates: [1/s, 2/s, 3/s, 4/s]}"), "");
}

}  // namespace
}  // namespace sluice::policies::rate_limit
