#include "base/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace sluice {
namespace {

std::size_t bucket_by_search(std::int64_t ns) {
  return static_cast<std::size_t>(std::ranges::lower_bound(histogram::bounds_ns, ns) - histogram::bounds_ns.begin());
}

TEST(Histogram, FindsTheBucketThatASearchFinds) {
  for (int bit = 0; bit < 63; ++bit) {
    const std::int64_t power = std::int64_t{1} << bit;
    for (const std::int64_t ns : {power - 1, power, power + 1})
      EXPECT_EQ(histogram::bucket_of(Duration(ns)), bucket_by_search(ns)) << ns;
  }
  for (const std::int64_t bound : histogram::bounds_ns)
    for (const std::int64_t ns : {bound - 1, bound, bound + 1})
      EXPECT_EQ(histogram::bucket_of(Duration(ns)), bucket_by_search(ns)) << ns;
  EXPECT_EQ(histogram::bucket_of(Duration(-5)), 0u);
  EXPECT_EQ(histogram::bucket_of(Duration(std::numeric_limits<std::int64_t>::max())), histogram::bucket_count - 1);
}

TEST(Histogram, BoundsAreInclusiveAndTotalsAddUp) {
  using namespace std::chrono_literals;
  Histogram first;
  Histogram second;
  first.record(1ms);
  first.record(1ms + 1ns);
  second.record(1h);
  second.record(-1s);  // a clock that jumped: nothing negative is added
  HistogramTotals totals;
  totals.add(first);
  totals.add(second);
  EXPECT_EQ(totals.count(), 4u);
  EXPECT_EQ(totals.buckets[2], 1u);
  EXPECT_EQ(totals.buckets[3], 1u);
  EXPECT_EQ(totals.buckets.front(), 1u);
  EXPECT_EQ(totals.buckets.back(), 1u);
  EXPECT_EQ(totals.sum_ns, 3'600'002'000'001u);
}

}  // namespace
}  // namespace sluice
