// The supervisor's decisions, told event by event with a clock of the test's own.

#include "control/supervision_fixture.h"

namespace sluice::control {
namespace {

TEST_F(SupervisionTest, AConfigErrorAtTheFirstStartEndsItWithTheSameCode) {
  supervision_.begin(now_);
  exit(100, 1);
  EXPECT_TRUE(supervision_.is_over());
  EXPECT_EQ(supervision_.exit_code(), 1);
  EXPECT_EQ(hands_.starts.size(), 1);
}

TEST_F(SupervisionTest, ADrainThatIsDoneEndsItWithTheSameCode) {
  for (const int code : {0, 4}) {
    Supervision supervision(hands_, {});
    supervision.begin(now_);
    const int process = 99 + static_cast<int>(hands_.starts.size());
    supervision.on_message(process, "ready", Descriptor(), now_);
    supervision.on_end(process, {.is_by_signal = false, .value = code}, now_);
    EXPECT_TRUE(supervision.is_over());
    EXPECT_EQ(supervision.exit_code(), code);
  }
}

TEST_F(SupervisionTest, ACrashIsFollowedByAStartAtOnceWithWhatWasInForce) {
  supervision_.begin(now_);
  serve(100, "a");
  crash(100);
  ASSERT_EQ(hands_.starts.size(), 2);
  EXPECT_EQ(last_start().choice, ConfigChoice::file_or_kept);
  EXPECT_EQ(last_start().kept.hash, "a");
  EXPECT_EQ(last_start().binary, Binary::same);
  serve(101, "a");
  EXPECT_TRUE(hands_.did("tell 101 counts 1 0 0 0 0"));
  // What kept a first start from being is no reason to end once it has served.
  exit(101, 3);
  EXPECT_FALSE(supervision_.is_over());
  EXPECT_EQ(hands_.starts.size(), 3);
}

TEST_F(SupervisionTest, ManyCrashesInAMinuteMakeTheNextStartWaitLongerAndLonger) {
  supervision_.begin(now_);
  serve(100, "a");
  pass(s(31));  // the config is good: it is not what crashes
  int process = 100;
  for (unsigned crashes = 1; crashes <= Supervision::crashes_at_once; ++crashes, ++process) {
    crash(process);
    ASSERT_EQ(hands_.starts.size(), crashes + 1) << "no wait yet";
    serve(process + 1, "a");
  }
  Duration last(0);
  for (int i = 0; i < 8; ++i, ++process) {
    const std::size_t before = hands_.starts.size();
    crash(process);
    ASSERT_EQ(hands_.starts.size(), before);
    ASSERT_TRUE(supervision_.state().start_at.has_value());
    const Duration wait = *supervision_.state().start_at - now_;
    EXPECT_GE(wait, last);
    EXPECT_LE(wait, Supervision::longest_delay * 5 / 4);
    last = wait;
    now_ += wait;
    supervision_.on_time(now_);
    ASSERT_EQ(hands_.starts.size(), before + 1);
    serve(process + 1, "a");
  }
  EXPECT_EQ(last, Supervision::longest_delay) << "capped";
  pass(s(61));
  const std::size_t before = hands_.starts.size();
  crash(process);
  EXPECT_EQ(hands_.starts.size(), before + 1) << "a quiet minute forgives";
}

TEST_F(SupervisionTest, SignalsGoToTheProcessThatServes) {
  supervision_.begin(now_);
  serve(100, "a");
  supervision_.on_signal(SIGHUP, now_);
  supervision_.on_signal(SIGUSR1, now_);
  supervision_.on_signal(SIGTERM, now_);
  supervision_.on_signal(SIGINT, now_);  // the second one cuts
  for (const int number : {SIGHUP, SIGUSR1, SIGTERM, SIGINT})
    EXPECT_TRUE(hands_.did(fmt::format("kill 100 {}", number)));
  EXPECT_FALSE(supervision_.is_over());
  exit(100, 4);
  EXPECT_TRUE(supervision_.is_over());
  EXPECT_EQ(supervision_.exit_code(), 4);
}

TEST_F(SupervisionTest, AProcessThatDiesWhileItIsStoppedIsNotStartedAnew) {
  supervision_.begin(now_);
  serve(100, "a");
  supervision_.on_signal(SIGTERM, now_);
  crash(100);
  EXPECT_TRUE(supervision_.is_over());
  EXPECT_EQ(supervision_.exit_code(), 5);
  EXPECT_EQ(hands_.starts.size(), 1);
}

TEST_F(SupervisionTest, ASignalBetweenTwoStartsEndsIt) {
  supervision_.begin(now_);
  serve(100, "a");
  pass(s(31));
  for (int process = 100; !supervision_.state().start_at; ++process) {
    crash(process);
    if (!supervision_.state().start_at) serve(process + 1, "a");
  }
  supervision_.on_signal(SIGTERM, now_);
  EXPECT_TRUE(supervision_.is_over());
  EXPECT_EQ(supervision_.exit_code(), 0);
}

TEST_F(SupervisionTest, WithoutMemoryForAProcessItTriesAgain) {
  hands_.can_start = false;
  supervision_.begin(now_);
  EXPECT_TRUE(hands_.has_said("no memory"));
  hands_.can_start = true;
  pass(s(6));
  EXPECT_EQ(hands_.starts.size(), 1);
}

TEST_F(SupervisionTest, AStoppedProcessIsKilledWithinThreeSeconds) {
  supervision_.begin(now_);
  serve(100, "a");
  pass(s(31));
  hands_.stopped = 100;
  pass(ms(2000));
  EXPECT_FALSE(hands_.did("kill 100 9"));
  pass(ms(1000));
  EXPECT_TRUE(hands_.did("kill 100 9"));
  supervision_.on_end(100, {.is_by_signal = true, .value = SIGKILL}, now_);
  hands_.stopped = 0;
  serve(101, "a");
  EXPECT_TRUE(hands_.did("tell 101 counts 0 1 0 0 0"));
}

TEST_F(SupervisionTest, ASilentProcessThatRunsIsGivenTenSeconds) {
  supervision_.begin(now_);
  serve(100, "a");
  mute_ = 100;
  pass(ms(9500));
  EXPECT_FALSE(hands_.did("kill 100 9"));
  pass(ms(500));
  EXPECT_TRUE(hands_.did("kill 100 9"));
}

TEST_F(SupervisionTest, ASupervisorThatStoodStillBlamesNobody) {
  supervision_.begin(now_);
  serve(100, "a");
  pass(s(1));
  now_ += std::chrono::hours(8);  // suspended
  supervision_.on_time(now_);
  EXPECT_FALSE(hands_.did("kill 100 9"));
}

TEST_F(SupervisionTest, OneThatDoesNotEndWithinItsDrainTimeIsKilled) {
  supervision_.begin(now_);
  serve(100, "a");
  supervision_.on_signal(SIGTERM, now_);
  say(100, "draining 5000");
  pass(ms(14'500));
  EXPECT_FALSE(hands_.did("kill 100 9"));
  pass(ms(500));
  EXPECT_TRUE(hands_.did("kill 100 9"));
}

TEST_F(SupervisionTest, ItSleepsAtMostHalfASecondAndNeverSpins) {
  supervision_.begin(now_);
  supervision_.on_time(now_);
  EXPECT_EQ(supervision_.next_deadline(), now_ + ms(500));
  serve(100, "a");
  pass(s(29));
  EXPECT_GT(supervision_.next_deadline(), now_);
  crash(100);
  now_ += s(5);
  supervision_.on_time(now_);
  EXPECT_GT(supervision_.next_deadline(), now_);
}

}  // namespace
}  // namespace sluice::control
