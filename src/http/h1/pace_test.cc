#include "http/h1/pace.h"

#include <gtest/gtest.h>

namespace sluice::http::h1 {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Pace::Terms terms{.least_rate = 240, .grace = seconds(5), .most = seconds(60)};
const Instant start{seconds(1000)};

// A peer that keeps us waiting all the time and moves `bytes` every `step`. When it is given up; `end` when it is not.
Duration held(std::int64_t bytes, Duration step, Duration end, std::int64_t at_once = 0, Pace::Terms under = terms) {
  Pace pace;
  pace.start(under);
  std::int64_t moved = at_once;
  pace.wait(start);
  for (Instant now = start; now < start + end; now += step) {
    if (now >= pace.deadline() && !pace.renew(under, moved, now)) return now - start;
    moved += bytes;
  }
  return end;
}

TEST(Pace, TheGraceIsAllThatOneWhoMovesNothingGets) {
  Pace pace;
  pace.start(terms);
  EXPECT_EQ(pace.deadline(), Instant::max());
  pace.wait(start);
  EXPECT_EQ(pace.deadline(), start + seconds(5));
  EXPECT_FALSE(pace.renew(terms, 0, start + seconds(5)));
}

TEST(Pace, TheLeastRateIsEnoughAndAByteLessIsNot) {
  EXPECT_EQ(held(24, milliseconds(100), seconds(3600)), seconds(3600));
  EXPECT_LT(held(23, milliseconds(100), seconds(3600)), seconds(200)) << "4 % too slow: the grace lasts 2 minutes";
  EXPECT_LE(held(1, seconds(1), seconds(3600)), seconds(6));
}

TEST(Pace, AQuickStartSavesNoMoreThanTheMost) {
  EXPECT_LE(held(1, seconds(1), seconds(36'000), 100'000'000), seconds(66));
  EXPECT_GT(held(0, seconds(1), seconds(36'000), 100'000'000), seconds(59));
}

TEST(Pace, BytesThatComeInSpurtsCount) {
  EXPECT_EQ(held(240 * 50, seconds(50), seconds(36'000), 240 * 60), seconds(36'000));
}

// On and off, never long enough in one piece for a timer of that length.
TEST(Pace, ShortWaitsAddUp) {
  Pace pace;
  pace.start(terms);
  Instant now = start;
  std::int64_t moved = 0;
  Duration waited{};
  for (bool is_patient = true; is_patient && waited < seconds(100); moved += 1) {
    pace.wait(now);
    const Instant end = now + milliseconds(900);
    for (; is_patient && pace.deadline() <= end; now = std::max(now, pace.deadline()))
      is_patient = pace.renew(terms, moved, std::max(now, pace.deadline()));
    now = end;
    pace.stop(now);
    waited += milliseconds(900);
    now += seconds(10);  // ours, not the peer's
  }
  EXPECT_LT(waited, seconds(8));
}

TEST(Pace, OneNearTheRateIsLookedAtOnceASecondAtMost) {
  Pace pace;
  pace.start(terms);
  pace.wait(start);
  int looks = 0;
  std::int64_t moved = 0;
  for (Instant now = start; now < start + seconds(100); now += milliseconds(10)) {
    if (now >= pace.deadline()) {
      ++looks;
      ASSERT_TRUE(pace.renew(terms, moved, now));
    }
    moved = (now - start) / milliseconds(1) * 241 / 1000;
  }
  EXPECT_LE(looks, 100);
}

TEST(Pace, WithoutARateAnyByteWillDo) {
  constexpr Pace::Terms off{.least_rate = 0, .grace = seconds(5), .most = seconds(60)};
  EXPECT_EQ(held(1, seconds(59), seconds(3600), 0, off), seconds(3600));
  EXPECT_EQ(held(0, seconds(1), seconds(3600), 0, off), seconds(60));
}

TEST(Pace, AShortMostBoundsTheGrace) {
  constexpr Pace::Terms hasty{.least_rate = 240, .grace = seconds(5), .most = milliseconds(150)};
  EXPECT_EQ(held(0, milliseconds(1), seconds(10), 0, hasty), milliseconds(150));
}

}  // namespace
}  // namespace sluice::http::h1
