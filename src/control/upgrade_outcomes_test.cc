#include "control/upgrade_outcomes.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace sluice::control {
namespace {

TEST(UpgradeOutcomes, TheNextOneIsSeenAndNoneBefore) {
  UpgradeOutcomes outcomes;
  outcomes.note(true, "sluice 1");
  const auto watch = UpgradeWatch::open(::getpid());
  ASSERT_TRUE(watch);
  EXPECT_FALSE(watch->look());
  outcomes.note(false, "the new one\nended");
  outcomes.note(true, "sluice 2");
  const auto outcome = watch->look();
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(outcome->is_done);
  EXPECT_EQ(outcome->text, "the new one ended");
  const auto later = UpgradeWatch::open(::getpid());
  ASSERT_TRUE(later);
  outcomes.note(true, "sluice 3");
  EXPECT_TRUE(later->look()->is_done);
  EXPECT_EQ(later->look()->text, "sluice 3");
}

TEST(UpgradeOutcomes, TheFileStaysSmall) {
  UpgradeOutcomes outcomes;
  const std::string text(1000, 'x');
  for (int i = 0; i < 200; ++i) {
    const auto watch = UpgradeWatch::open(::getpid());
    ASSERT_TRUE(watch);
    outcomes.note(i % 2 == 0, text);
    const auto outcome = watch->look();
    ASSERT_TRUE(outcome) << i;
    EXPECT_EQ(outcome->is_done, i % 2 == 0);
    EXPECT_EQ(outcome->text, text);
  }
}

TEST(UpgradeOutcomes, AProcessWithoutTheFileIsNotWatched) { EXPECT_FALSE(UpgradeWatch::open(::getppid())); }

}  // namespace
}  // namespace sluice::control
