#include "upstream/group.h"

#include <gtest/gtest.h>

#include <thread>

#include "upstream/fixture.h"

namespace sluice::upstream {
namespace {

using namespace testing;

std::string order(const Group& group, Random& random, int count) {
  std::string names;
  for (int i = 0; i < count; ++i) {
    Tried tried;
    const Endpoint* const picked = group.pick(tried, start, random.next());
    names += static_cast<char>('a' + (picked->address().port - 7001));
  }
  return names;
}

std::vector<int> shares(Rig& rig, int count) {
  std::vector<int> picked(rig.group->members().size());
  for (int i = 0; i < count; ++i) ++picked[rig.pick_once()];
  return picked;
}

TEST(RoundRobin, SpreadsWeightsSmoothly) {
  Rig rig(config_of({5, 1, 1}, Balance::round_robin));
  EXPECT_EQ(order(*rig.group, rig.random, 14), "aabacaaaabacaa");
}

TEST(RoundRobin, TakesEqualEndpointsInTurnAndReducesWeights) {
  Rig rig(config_of({300, 300, 300}, Balance::round_robin));
  EXPECT_EQ(rig.group->sequence().size(), 3u);
  EXPECT_EQ(order(*rig.group, rig.random, 6), "abcabc");
  EXPECT_EQ(Rig(config_of({200, 100}, Balance::round_robin)).group->sequence().size(), 3u);
}

TEST(RoundRobin, RoundsWeightsThatHaveNoShortSequence) {
  Rig rig(config_of({65'535, 1, 32'767}, Balance::round_robin));
  EXPECT_LE(rig.group->sequence().size(), 4100u);
  const std::vector<int> picked = shares(rig, static_cast<int>(rig.group->sequence().size()));
  EXPECT_NEAR(picked[0], 2 * picked[2], 2);
  EXPECT_GE(picked[1], 1);
}

TEST(RoundRobin, SharesAreExactAcrossThreads) {
  Rig rig(config_of({3, 2, 1}, Balance::round_robin));
  std::array<std::atomic<int>, 3> picked{};
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      threads.emplace_back([&rig, &picked, seed] {
        Random random(seed);
        for (int i = 0; i < 20'000; ++i) {
          Tried tried;
          picked[rig.index_of(rig.group->pick(tried, start, random.next()))].fetch_add(1);
        }
      });
    }
  }
  EXPECT_EQ(picked[0], 30'000);
  EXPECT_EQ(picked[1], 20'000);
  EXPECT_EQ(picked[2], 10'000);
}

TEST(RoundRobin, TheTurnOutlivesAReloadThatLeavesTheEndpoints) {
  EndpointStore store;
  Random random(1);
  auto plan = Group::make("users", config_of({1, 1, 1}, Balance::round_robin), store);
  EXPECT_EQ(order(*plan, random, 4), "abca");
  plan = Group::make("users", config_of({1, 1, 1}, Balance::round_robin), store);
  EXPECT_EQ(order(*plan, random, 4), "bcab");
  plan = Group::make("users", config_of({1, 2}, Balance::round_robin), store);
  EXPECT_EQ(order(*plan, random, 3), "bab");
}

TEST(RoundRobin, OthersShareTheTurnsOfOneSetAside) {
  Rig rig(config_of({1, 1, 1, 1}, Balance::round_robin));
  rig.set_aside(1);
  EXPECT_EQ(shares(rig, 3'000), (std::vector<int>{1'000, 0, 1'000, 1'000}));
}

TEST(RoundRobin, AHeavyOneSetAsideIsNoObstacle) {
  Rig rig(config_of({60'000, 1, 1}, Balance::round_robin));
  rig.set_aside(0);
  const std::vector<int> picked = shares(rig, 2'000);
  EXPECT_EQ(picked[0], 0);
  EXPECT_NEAR(picked[1], 1'000, 150);
}

TEST(LeastRequest, FollowsTheWeightsWhileAllAreIdle) {
  Rig rig(config_of({1, 2, 5}));
  const std::vector<int> picked = shares(rig, 80'000);
  EXPECT_NEAR(picked[0], 10'000, 400);
  EXPECT_NEAR(picked[1], 20'000, 500);
  EXPECT_NEAR(picked[2], 50'000, 600);
}

TEST(LeastRequest, OfTwoTakesTheOneWithLessToDoForItsWeight) {
  Rig rig(config_of({1, 3}));
  rig.endpoint(0).begin();
  for (int i = 0; i < 2; ++i) rig.endpoint(1).begin();
  EXPECT_EQ(shares(rig, 1'000), (std::vector<int>{0, 1'000}));  // 1/1 against 2/3
  for (int i = 0; i < 2; ++i) rig.endpoint(1).begin();
  EXPECT_EQ(shares(rig, 1'000), (std::vector<int>{1'000, 0}));  // 1/1 against 4/3
}

TEST(LeastRequest, NeverTakesTheBusiestOfMany) {
  Rig rig(config_of({1, 1, 1, 1, 1}));
  for (int i = 0; i < 10; ++i) rig.endpoint(2).begin();
  const std::vector<int> picked = shares(rig, 40'000);
  EXPECT_EQ(picked[2], 0);
  for (const std::size_t other : {0u, 1u, 3u, 4u}) EXPECT_NEAR(picked[other], 10'000, 400);
}

TEST(LeastRequest, KeepsLoadsLevelByWeight) {
  Rig rig(config_of({1, 2, 4}));
  for (int i = 0; i < 700; ++i) {  // nothing ends
    Tried tried;
    rig.group->pick(tried, rig.now, rig.random.next())->begin();
  }
  EXPECT_NEAR(static_cast<double>(rig.endpoint(0).in_flight()), 100, 6);
  EXPECT_NEAR(static_cast<double>(rig.endpoint(1).in_flight()), 200, 8);
  EXPECT_NEAR(static_cast<double>(rig.endpoint(2).in_flight()), 400, 10);
}

TEST(LeastRequest, ComparesAmongTheRestWhenOneIsSetAside) {
  Rig rig(config_of({1, 1, 1}));
  rig.set_aside(0);
  rig.endpoint(1).begin();
  const std::vector<int> picked = shares(rig, 4'000);
  EXPECT_EQ(picked[0], 0);
  EXPECT_GT(picked[2], 2 * picked[1]);
}

class EitherBalance : public ::testing::TestWithParam<Balance> {};
INSTANTIATE_TEST_SUITE_P(Pick, EitherBalance, ::testing::Values(Balance::least_request, Balance::round_robin));

TEST_P(EitherBalance, TriesEachEndpointOnce) {
  Rig rig(config_of({1, 7, 2}, GetParam()));
  for (int round = 0; round < 200; ++round) {
    Tried tried;
    std::vector<const Endpoint*> seen;
    for (int i = 0; i < 3; ++i) {
      const Endpoint* const picked = rig.group->pick(tried, rig.now, rig.random.next());
      ASSERT_NE(picked, nullptr);
      for (const Endpoint* const before : seen) ASSERT_NE(picked, before);
      seen.push_back(picked);
    }
    ASSERT_EQ(rig.group->pick(tried, rig.now, rig.random.next()), nullptr);
  }
}

TEST_P(EitherBalance, UsesThoseSetAsideWhenNothingElseIsLeft) {
  UpstreamConfig config = config_of({1, 1, 1}, GetParam());
  config.health.panic_below = 0;
  Rig rig(config);
  for (const std::size_t at : {0u, 1u, 2u}) rig.set_aside(at);
  for (const int picked : shares(rig, 3'000)) EXPECT_NEAR(picked, 1'000, 150);

  // The good ones first, then those set aside.
  Tried success;
  Endpoint* const back = rig.group->pick(success, rig.now, 3);
  back->begin();
  back->end(Outcome::success, rig.now, success);
  EXPECT_FALSE(back->is_set_aside());
  for (int i = 0; i < 100; ++i) {
    Tried tried;
    EXPECT_EQ(rig.group->pick(tried, rig.now, rig.random.next()), back);
    EXPECT_NE(rig.group->pick(tried, rig.now, rig.random.next()), nullptr);
  }
}

TEST_P(EitherBalance, R12HalfInServiceIsEnoughAndFewerIsPanic) {
  Rig rig(config_of({1, 1, 1, 1}, GetParam()));
  rig.set_aside(0);
  rig.set_aside(1);
  EXPECT_FALSE(rig.group->is_panicking());
  const std::vector<int> calm = shares(rig, 4'000);
  EXPECT_EQ(calm[0] + calm[1], 0);

  rig.set_aside(2);  // one of four is left: it does not get everything
  EXPECT_TRUE(rig.group->is_panicking());
  for (const int picked : shares(rig, 4'000)) EXPECT_NEAR(picked, 1'000, 200);

  rig.attempt_picked_now(2, Outcome::success);
  EXPECT_FALSE(rig.group->is_panicking());
}

TEST_P(EitherBalance, R12WhatCannotConnectInAPanicGoesToOneInService) {
  Rig rig(config_of({1, 1, 1, 1, 1}, GetParam()));
  for (const std::size_t at : {0u, 1u, 2u, 3u}) rig.set_aside(at);
  for (int i = 0; i < 500; ++i) {
    Tried tried;
    const std::size_t first = rig.index_of(rig.group->pick(tried, rig.now, rig.random.next()));
    if (first == 4) continue;
    ASSERT_EQ(rig.index_of(rig.group->pick(tried, rig.now, rig.random.next())), 4u);
  }
}

TEST_P(EitherBalance, OneEndpointIsUsedWhateverItsState) {
  Rig rig(config_of({1}, GetParam()));
  rig.set_aside(0);
  Tried tried;
  Endpoint* const picked = rig.group->pick(tried, rig.now, 0);
  ASSERT_EQ(picked, &rig.endpoint(0));
  EXPECT_FALSE(tried.is_probe());
  EXPECT_EQ(rig.group->pick(tried, rig.now, 0), nullptr);
  picked->begin();
  picked->end(Outcome::success, rig.now, tried);
  EXPECT_FALSE(picked->is_set_aside());
}

TEST_P(EitherBalance, StopsWhenAnExchangeHasTriedEnough) {
  Rig rig(config_of({1, 1, 1, 1, 1, 1, 1, 1, 1}, GetParam()));
  Tried tried;
  for (std::size_t i = 0; i < Tried::capacity; ++i)
    EXPECT_NE(rig.group->pick(tried, rig.now, rig.random.next()), nullptr);
  EXPECT_EQ(rig.group->pick(tried, rig.now, rig.random.next()), nullptr);
}

TEST(RetryBudget, D12AtLeastThreeAreInProgressAtOnceAndNotFour) {
  Rig rig(config_of({1, 1}));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(rig.group->take_retry());
  EXPECT_FALSE(rig.group->take_retry());
  rig.group->budget().give_back();
  EXPECT_TRUE(rig.group->take_retry());
}

TEST(RetryBudget, D12AFifthOfTheAttemptsInProgressMayBeRetries) {
  Rig rig(config_of({1, 1}));
  for (int i = 0; i < 99; ++i) rig.endpoint(static_cast<std::size_t>(i % 2)).begin();
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(rig.group->take_retry()) << i;
  EXPECT_FALSE(rig.group->take_retry());
  EXPECT_EQ(rig.group->budget().taken(), 20);
}

TEST(RetryBudget, OfNothingAllowsNothingAndOutlivesAReload) {
  UpstreamConfig config = config_of({1, 1});
  config.retry_budget = {.percent = 0, .min = 1};
  Rig rig(config);
  EXPECT_TRUE(rig.group->take_retry());
  config.retry_budget.min = 0;
  const auto next = Group::make("users", config, rig.store);
  EXPECT_EQ(next->budget().taken(), 1);
  EXPECT_FALSE(next->take_retry());
}

}  // namespace
}  // namespace sluice::upstream
