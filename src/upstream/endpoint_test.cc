#include "upstream/endpoint.h"

#include <gtest/gtest.h>

#include <thread>

#include "upstream/fixture.h"

namespace sluice::upstream {
namespace {

using namespace testing;

TEST(Endpoint, CountsWhatIsInFlight) {
  Rig rig(config_of({1}));
  Tried tried;
  rig.endpoint(0).begin();
  rig.endpoint(0).begin();
  EXPECT_EQ(rig.endpoint(0).in_flight(), 2);
  rig.endpoint(0).end(Outcome::success, start, tried);
  rig.endpoint(0).end(Outcome::reset, start, tried);
  const Endpoint::Totals totals = rig.endpoint(0).totals();
  EXPECT_EQ(totals.in_flight, 0);
  EXPECT_EQ(totals.attempts, 2u);
  EXPECT_EQ(totals.failures[static_cast<std::size_t>(Outcome::reset)], 1u);
}

TEST(Endpoint, OnlyFailuresInARowSetItAside) {
  Rig rig(config_of({1}));
  for (int i = 0; i < 20; ++i) {
    for (int j = 0; j < 4; ++j) rig.attempt(0, Outcome::timed_out);
    rig.attempt(0, Outcome::success);
  }
  EXPECT_FALSE(rig.endpoint(0).is_set_aside());
  rig.set_aside(0);
  EXPECT_TRUE(rig.endpoint(0).is_set_aside());
  EXPECT_EQ(rig.endpoint(0).totals().set_asides, 1u);
}

TEST(Endpoint, IsNotBlamedForOthersFaults) {
  Rig rig(config_of({1}));
  for (int i = 0; i < 20; ++i) {
    rig.attempt(0, Outcome::stale);
    rig.attempt(0, Outcome::client_failed);
    rig.attempt(0, Outcome::gateway_failed);
  }
  EXPECT_FALSE(rig.endpoint(0).is_set_aside());
}

TEST(Endpoint, IsNeverSetAsideWithZeroFailures) {
  UpstreamConfig config = config_of({1});
  config.health.failures = 0;
  Rig rig(config);
  for (int i = 0; i < 100; ++i) rig.attempt(0, Outcome::connect_failed);
  EXPECT_FALSE(rig.endpoint(0).is_set_aside());
}

// Picks until somebody probes endpoint 0; the other attempts end well.
bool probe(Rig& rig, Tried& tried) {
  for (int i = 0; i < 200; ++i) {
    tried = {};
    Endpoint* const picked = rig.group->pick(tried, rig.now, rig.random.next());
    picked->begin();
    if (tried.is_probe()) return picked == &rig.endpoint(0);
    EXPECT_NE(picked, &rig.endpoint(0));
    picked->end(Outcome::success, rig.now, tried);
  }
  return false;
}

TEST(Endpoint, OneProbeAtATimeAndTwiceAsLongAfterEachFailure) {
  Rig rig(config_of({1, 1}));
  rig.set_aside(0);
  Duration aside = 10s;
  for (int round = 0; round < 6; ++round) {
    Tried probing, other;
    rig.now += aside - 1ms;
    EXPECT_FALSE(probe(rig, other)) << round;
    rig.now += 1ms;
    ASSERT_TRUE(probe(rig, probing)) << round;
    EXPECT_FALSE(probe(rig, other)) << "one at a time";
    rig.endpoint(0).end(Outcome::connect_failed, rig.now, probing);
    aside = std::min<Duration>(aside * 2, 80s);
  }
  rig.now += aside;
  Tried probing;
  ASSERT_TRUE(probe(rig, probing));
  rig.endpoint(0).end(Outcome::success, rig.now, probing);
  EXPECT_FALSE(rig.endpoint(0).is_set_aside());
  EXPECT_EQ(rig.endpoint(0).totals().set_asides, 1u);
  rig.set_aside(0);  // starts again with the shortest time
  rig.now += 10s;
  EXPECT_TRUE(probe(rig, probing));
}

TEST(Endpoint, AProbeThatSaysNothingLetsTheNextOneProbe) {
  for (const Outcome outcome : {Outcome::stale, Outcome::client_failed, Outcome::gateway_failed}) {
    Rig rig(config_of({1, 1}));
    rig.set_aside(0);
    rig.now += 10s;
    Tried probing;
    ASSERT_TRUE(probe(rig, probing));
    rig.endpoint(0).end(outcome, rig.now, probing);
    EXPECT_TRUE(rig.endpoint(0).is_set_aside());
    EXPECT_FALSE(probing.is_probe());
    EXPECT_TRUE(probe(rig, probing));
  }
}

TEST(Endpoint, OldAttemptsNeitherBringItBackNorProlongIt) {
  Rig rig(config_of({1, 1}));
  Tried old;
  while (rig.index_of(rig.group->pick(old, rig.now, rig.random.next())) != 0) old = {};
  Tried older = old;
  rig.now += 1s;
  rig.set_aside(0);
  rig.endpoint(0).begin();
  rig.endpoint(0).end(Outcome::success, rig.now, old);
  EXPECT_TRUE(rig.endpoint(0).is_set_aside());
  for (int i = 0; i < 50; ++i) {
    rig.endpoint(0).begin();
    rig.endpoint(0).end(Outcome::timed_out, rig.now + 5s, older);
  }
  rig.now += 10s;
  Tried probing;
  EXPECT_TRUE(probe(rig, probing));
}

// Threads pick and end as fast as they can while the endpoint always fails: no two may probe it at the same time.
TEST(Endpoint, OneProbeAtATimeAcrossThreads) {
  UpstreamConfig config = config_of({1, 1});
  config.health.set_aside = 1ms;
  Rig rig(config);
  rig.set_aside(0);
  std::atomic<int> probing{0}, most{0}, probes{0};
  std::atomic<std::int64_t> clock_ms{0};
  const auto work = [&](std::uint64_t seed) {
    Random random(seed);
    for (int i = 0; i < 30'000; ++i) {
      const Instant now = start + std::chrono::milliseconds(clock_ms.fetch_add(1));
      Tried tried;
      Endpoint* const picked = rig.group->pick(tried, now, random.next());
      picked->begin();
      const bool is_probe = tried.is_probe();
      if (is_probe) {
        const int here = probing.fetch_add(1) + 1;
        if (here > most.load()) most.store(here);
        probes.fetch_add(1);
        std::this_thread::yield();
        probing.fetch_sub(1);
      }
      const bool is_bad = picked == &rig.endpoint(0);
      picked->end(is_bad ? Outcome::connect_failed : Outcome::success, now, tried);
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) threads.emplace_back(work, seed);
  }
  EXPECT_EQ(most.load(), 1);
  EXPECT_GT(probes.load(), 10);
  EXPECT_EQ(rig.endpoint(0).in_flight(), 0);
  EXPECT_EQ(rig.endpoint(1).in_flight(), 0);
}

TEST(EndpointStore, KeepsEndpointsUnderTheirNames) {
  EndpointStore store;
  const auto address = net::Address::parse("127.0.0.1:7001").value();
  const auto first = store.find_or_make("users", address, {});
  EXPECT_EQ(store.find_or_make("users", address, {}), first);
  const auto second = store.find_or_make("orders", address, {});
  EXPECT_NE(second, first);
  EXPECT_NE(second->slot(), first->slot());
  EXPECT_EQ(first->name(), "127.0.0.1:7001");
  EXPECT_EQ(first->upstream(), "users");
  ASSERT_EQ(store.all().size(), 2u);
  EXPECT_EQ(store.all()[0], second);  // by name
}

TEST(EndpointStore, ForgetsWhatNobodyUsesAndGivesSlotsAgain) {
  EndpointStore store;
  const auto kept = store.find_or_make("kept", net::Address::parse("127.0.0.1:1").value(), {});
  std::uint32_t highest = 0;
  for (std::uint16_t port = 2; port < 2000; ++port) {
    net::Address address = kept->address();
    address.port = port;
    highest = std::max(highest, store.find_or_make("gone", address, {})->slot());
  }
  EXPECT_LE(highest, 64u);
  EXPECT_EQ(store.all().size(), 1u);
  EXPECT_EQ(store.find_or_make("kept", kept->address(), {}), kept);
}

}  // namespace
}  // namespace sluice::upstream
