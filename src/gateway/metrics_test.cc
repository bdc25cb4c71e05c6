#include "gateway/metrics.h"

#include <gtest/gtest.h>

#include <thread>

namespace sluice::gateway {
namespace {

constexpr Cause first{"first", 404, Side::client, "", ""};
constexpr Cause second{"second", 502, Side::upstream, "", ""};
constexpr Cause first_again{"first", 404, Side::client, "", ""};
constexpr Cause unlisted{"unlisted", 500, Side::gateway, "", ""};
constexpr const Cause* one_list[] = {&first, &second};
constexpr const Cause* other_list[] = {&first, &first_again};

TEST(CauseTable, NumbersEachCodeOnce) {
  const std::span<const Cause* const> lists[] = {one_list, other_list};
  const CauseTable table(lists);
  EXPECT_EQ(table.size(), 3u);
  EXPECT_EQ(table.index_of(&first), 0u);
  EXPECT_EQ(table.index_of(&second), 1u);
  EXPECT_EQ(table.index_of(&first_again), 0u);
  EXPECT_EQ(table.index_of(&unlisted), 2u);
  EXPECT_EQ(table.index_of(nullptr), CauseTable::none);
  EXPECT_EQ(table.code(1), "second");
  EXPECT_EQ(table.code(2), "other");
}

TEST(CauseTable, MayBeEmpty) {
  const CauseTable table({});
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.index_of(&first), 0u);
}

TEST(ListenerNumbers, KeepTheirNumbersAndShareTheLast) {
  ListenerNumbers numbers;
  EXPECT_EQ(numbers.number_of("public"), 0u);
  EXPECT_EQ(numbers.number_of("inner"), 1u);
  EXPECT_EQ(numbers.number_of("public"), 0u);
  for (int i = 0; i < 100; ++i) (void)numbers.number_of("l" + std::to_string(i));  // only to use them up
  EXPECT_EQ(numbers.number_of("one more"), ListenerNumbers::most - 1);
  EXPECT_EQ(numbers.number_of("inner"), 1u);
  EXPECT_EQ(numbers.name(1), "inner");
  EXPECT_EQ(numbers.name(ListenerNumbers::most - 1), "other");
}

TEST(WorkerMetrics, CountsConnectionsAndCauses) {
  const std::span<const Cause* const> lists[] = {one_list};
  const CauseTable table(lists);
  WorkerMetrics metrics(table);
  metrics.connection_opened();
  metrics.connection_opened();
  metrics.connection_closed();
  EXPECT_EQ(metrics.connections_accepted.value(), 2u);
  EXPECT_EQ(metrics.connections_open.value(), 1);
  metrics.answered_here(table.index_of(&second));
  metrics.answered_here(table.index_of(&unlisted));
  metrics.answered_here(CauseTable::none);
  EXPECT_EQ(metrics.causes[1].value(), 1u);
  EXPECT_EQ(metrics.causes[2].value(), 1u);
}

TEST(RouteStats, SumsWorkersByListenerAndClass) {
  RouteStats stats("user", 3, 2);
  EXPECT_FALSE(stats.totals().is_used());
  stats.record(
      {.worker = 0, .listener = 1, .status = 200, .duration = std::chrono::milliseconds(2), .response_bytes = 10});
  stats.record({.worker = 2, .listener = 1, .status = 204, .request_bytes = 5, .response_bytes = 1});
  stats.record({.worker = 2, .listener = 0, .status = 503, .cause = 1});
  stats.record({.worker = 2, .listener = 999, .status = 999});  // out of range: the last of each
  const RouteStats::Totals totals = stats.totals();
  ASSERT_EQ(totals.requests.size(), 3u);
  EXPECT_EQ(totals.requests[0].by_class, (std::array<std::uint64_t, 5>{0, 0, 0, 0, 1}));
  EXPECT_EQ(totals.requests[1].listener, 1u);
  EXPECT_EQ(totals.requests[1].by_class, (std::array<std::uint64_t, 5>{0, 2, 0, 0, 0}));
  EXPECT_EQ(totals.requests[2].listener, ListenerNumbers::most - 1);
  EXPECT_EQ(totals.request_bytes, 5u);
  EXPECT_EQ(totals.response_bytes, 11u);
  EXPECT_EQ(totals.durations.count(), 4u);
  EXPECT_EQ(totals.causes, (std::vector<std::uint64_t>{0, 1}));
}

TEST(RouteStats, MayBeReadWhileWorkersCount) {
  RouteStats stats("user", 2, 4);
  constexpr std::uint64_t most = 50'000;
  const auto work = [&](std::size_t worker) {
    for (std::uint32_t i = 0; i < most; ++i)
      stats.record({.worker = worker, .listener = i % 4, .status = 200, .cause = i % 5});
  };
  std::thread one(work, 0);
  std::thread other(work, 1);
  std::uint64_t seen = 0;
  while (seen < 2 * most) {
    const std::uint64_t now = stats.totals().durations.count();
    ASSERT_GE(now, seen);
    seen = now;
  }
  one.join();
  other.join();
  EXPECT_EQ(stats.totals().causes[0], 2 * most / 5);
}

TEST(RouteStatsStore, KeepsARouteAsLongAsAPlanHasIt) {
  RouteStatsStore store(1, 1);
  auto user = store.find_or_make("user");
  auto order = store.find_or_make("order");
  user->record({.status = 200});
  EXPECT_EQ(store.find_or_make("user"), user);
  ASSERT_EQ(store.all().size(), 2u);
  EXPECT_EQ(store.all()[0]->name(), "order");
  user.reset();
  EXPECT_EQ(store.all().size(), 1u);
  EXPECT_FALSE(store.find_or_make("user")->totals().is_used());
}

}  // namespace
}  // namespace sluice::gateway
