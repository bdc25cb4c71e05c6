#pragma once
// How long things took, in fixed buckets known at compile time. One thread records, any thread reads.
// Not a percentile estimator: whoever scrapes computes quantiles from the buckets.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/counter.h"
#include "base/time.h"

namespace sluice {

namespace histogram {

// Upper bounds, inclusive, in nanoseconds: 0.25 ms to 60 s. The last bucket, after them, is +Inf.
inline constexpr std::array<std::int64_t, 18> bounds_ns{
    250'000,       500'000,       1'000'000,      2'500'000,      5'000'000,      10'000'000,
    25'000'000,    50'000'000,    100'000'000,    250'000'000,    500'000'000,    1'000'000'000,
    2'500'000'000, 5'000'000'000, 10'000'000'000, 20'000'000'000, 30'000'000'000, 60'000'000'000};
inline constexpr std::size_t bucket_count = bounds_ns.size() + 1;

// For a duration of w significant bits (w = 0 ... 63): the first bucket that could hold it. At most two comparisons are
// left.
inline constexpr auto first_bucket_by_width = [] {
  std::array<std::uint8_t, 64> first{};
  for (std::size_t width = 0; width < first.size(); ++width) {
    const std::int64_t least = width == 0 ? 0 : std::int64_t{1} << (width - 1);
    while (first[width] < bounds_ns.size() && bounds_ns[first[width]] < least) ++first[width];
  }
  return first;
}();

// Index of the bucket that holds `duration`; negative durations count as 0. Cost: ~2 ns.
constexpr std::size_t bucket_of(Duration duration) {
  const std::int64_t ns = duration.count() < 0 ? 0 : duration.count();
  std::size_t bucket = first_bucket_by_width[static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(ns)))];
  while (bucket < bounds_ns.size() && ns > bounds_ns[bucket]) ++bucket;
  return bucket;
}

}  // namespace histogram

class Histogram {
 public:
  // Writer's thread only. Cost: ~3 ns.
  void record(Duration duration) {
    buckets_[histogram::bucket_of(duration)].add();
    sum_ns_.add(duration.count() < 0 ? 0 : static_cast<std::uint64_t>(duration.count()));
  }
  std::uint64_t bucket(std::size_t index) const { return buckets_[index].value(); }
  std::uint64_t sum_ns() const { return sum_ns_.value(); }

 private:
  std::array<Counter, histogram::bucket_count> buckets_;  // not cumulative
  Counter sum_ns_;
};

// Histograms of several writers added up, by whoever reads them.
struct HistogramTotals {
  std::array<std::uint64_t, histogram::bucket_count> buckets{};  // not cumulative
  std::uint64_t sum_ns = 0;

  void add(const Histogram& one) {
    for (std::size_t i = 0; i < buckets.size(); ++i) buckets[i] += one.bucket(i);
    sum_ns += one.sum_ns();
  }
  // From the buckets, so that it always equals the +Inf bucket.
  std::uint64_t count() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t bucket : buckets) sum += bucket;
    return sum;
  }
};

}  // namespace sluice
