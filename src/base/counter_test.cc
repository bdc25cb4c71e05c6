#include "base/counter.h"

#include <gtest/gtest.h>

#include <thread>

namespace sluice {
namespace {

TEST(Counter, AddsUpWhileAnotherThreadReads) {
  Counter counter;
  constexpr std::uint64_t most = 200'000;
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < most; ++i) counter.add();
  });
  std::uint64_t last = 0;
  while (last < most) {
    const std::uint64_t now = counter.value();
    ASSERT_GE(now, last);
    last = now;
  }
  writer.join();
  EXPECT_EQ(counter.value(), most);
}

TEST(Gauge, GoesUpAndDown) {
  Gauge gauge;
  gauge.add(3);
  gauge.subtract();
  EXPECT_EQ(gauge.value(), 2);
  gauge.subtract(5);
  EXPECT_EQ(gauge.value(), -3);
  gauge.set(7);
  EXPECT_EQ(gauge.value(), 7);
}

}  // namespace
}  // namespace sluice
