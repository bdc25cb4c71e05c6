#include "control/naps.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <time.h>

#include <cstdint>

namespace sluice::control {
namespace {

// Computes for so long of the thread's processor time. Returns how often it gave the processor up by itself.
long compute(std::int64_t milliseconds) {
  rusage before{}, after{};
  getrusage(RUSAGE_THREAD, &before);
  const auto worked_ms = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1'000'000;
  };
  for (const std::int64_t end = worked_ms() + milliseconds; worked_ms() < end;) {
  }
  getrusage(RUSAGE_THREAD, &after);
  return after.ru_nvcsw - before.ru_nvcsw;
}

TEST(Naps, WhoComputesRestsAgainAndAgain) {
  {
    const Naps naps;
    EXPECT_GE(compute(50), 20);
  }
  EXPECT_LE(compute(50), 2) << "and no more once it is gone";
}

TEST(Naps, WhoWaitsGoesOnWaiting) {
  const Naps naps;
  const timespec moment{.tv_sec = 0, .tv_nsec = 20'000'000};
  timespec left = moment;
  while (nanosleep(&left, &left) != 0) {
  }
  EXPECT_GE(compute(20), 5);
}

}  // namespace
}  // namespace sluice::control
