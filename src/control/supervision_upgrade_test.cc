// Successors (an upgrade, a replacement) and configs that crash the gateway.

#include "control/supervision_fixture.h"

namespace sluice::control {
namespace {

TEST_F(SupervisionTest, AnUpgradeDrainsTheOldProcessOnlyWhenTheNewOneServes) {
  supervision_.begin(now_);
  serve(100, "a");
  supervision_.on_signal(SIGUSR2, now_);
  ASSERT_EQ(hands_.starts.size(), 2);
  EXPECT_EQ(last_start().binary, Binary::on_disk);
  EXPECT_EQ(last_start().choice, ConfigChoice::file) << "a bad config must not be covered up";
  EXPECT_FALSE(hands_.did("tell 100 drain"));
  serve(101, "a");
  EXPECT_TRUE(hands_.did("tell 100 drain"));
  EXPECT_TRUE(hands_.did("tell 101 counts 0 0 1 0 0"));
  EXPECT_EQ(hands_.acts.back(), "become");
  exit(100, 4);
  EXPECT_FALSE(supervision_.is_over());
  EXPECT_TRUE(supervision_.serves());
}

TEST_F(SupervisionTest, AnUpgradeThatFailsLeavesTheOldProcessServing) {
  supervision_.begin(now_);
  serve(100, "a");
  unsigned failures = 0;
  for (const ProcessEnd end :
       {ProcessEnd{false, 1}, ProcessEnd{false, 3}, ProcessEnd{false, 0}, ProcessEnd{true, SIGSEGV}}) {
    supervision_.on_signal(SIGUSR2, now_);
    supervision_.on_end(99 + static_cast<int>(hands_.starts.size()), end, now_);
    EXPECT_TRUE(hands_.did(fmt::format("tell 100 counts 0 0 0 {} 0", ++failures)));
    EXPECT_TRUE(hands_.has_said(end.text()));
    EXPECT_TRUE(hands_.did(fmt::format("failed: the new gateway process {} before it was ready", end.text())));
  }
  EXPECT_TRUE(supervision_.serves());
  EXPECT_FALSE(hands_.did("tell 100 drain"));
  EXPECT_FALSE(hands_.did("become"));
}

TEST_F(SupervisionTest, WhoAsksForAnUpgradeThatCannotBeIsTold) {
  supervision_.begin(now_);
  serve(100, "a");
  say(100, "replace worker 1 stands still");
  supervision_.on_signal(SIGUSR2, now_);
  EXPECT_EQ(hands_.acts.back(), "failed: a new gateway process is being started already");
  crash(101);
  supervision_.on_signal(SIGUSR2, now_);
  const std::size_t so_far = hands_.acts.size();
  supervision_.on_signal(SIGUSR2, now_);
  EXPECT_EQ(hands_.acts.size(), so_far) << "an upgrade is under way: who asks is told what comes of it";
  crash(102);
  for (int id = 100; id < 120 && supervision_.serves(); id = 99 + static_cast<int>(hands_.starts.size())) crash(id);
  hands_.can_start = false;
  supervision_.on_signal(SIGTERM, now_);
  supervision_.on_signal(SIGUSR2, now_);
  EXPECT_EQ(hands_.acts.back(), "failed: the gateway is being stopped");
}

TEST_F(SupervisionTest, ANewBinaryThatIsNotReadyInTimeIsKilled) {
  supervision_.begin(now_);
  serve(100, "a");
  supervision_.on_signal(SIGUSR2, now_);
  supervision_.on_signal(SIGUSR2, now_);
  EXPECT_EQ(hands_.starts.size(), 2) << "one at a time";
  pass(Supervision::ready_patience);
  EXPECT_TRUE(hands_.did("kill 101 9"));
  supervision_.on_end(101, {.is_by_signal = true, .value = SIGKILL}, now_);
  EXPECT_TRUE(hands_.did("tell 100 counts 0 0 0 1 0"));
  EXPECT_TRUE(supervision_.serves());
}

TEST_F(SupervisionTest, WhatAFailedUpgradeWouldHaveRunIsForgotten) {
  supervision_.begin(now_);
  serve(100, "a");
  supervision_.on_signal(SIGUSR2, now_);
  say_active(101, "b");
  crash(101);
  crash(100);
  EXPECT_EQ(last_start().kept.hash, "a");
}

TEST_F(SupervisionTest, ACrashDuringAnUpgradeIsCoveredByTheNewProcess) {
  supervision_.begin(now_);
  serve(100, "a");
  supervision_.on_signal(SIGUSR2, now_);
  crash(100);
  EXPECT_EQ(hands_.starts.size(), 2) << "the successor is on its way";
  serve(101, "a");
  EXPECT_TRUE(supervision_.serves());
}

TEST_F(SupervisionTest, ACrashOfBothDuringAnUpgradeStartsTheRunningBinaryAnew) {
  supervision_.begin(now_);
  serve(100, "a");
  supervision_.on_signal(SIGUSR2, now_);
  crash(100);
  crash(101);
  ASSERT_EQ(hands_.starts.size(), 3);
  EXPECT_EQ(last_start().binary, Binary::same);
  serve(102, "a");
  EXPECT_TRUE(supervision_.serves());
}

TEST_F(SupervisionTest, AProcessThatAsksForItIsReplacedAndDrains) {
  supervision_.begin(now_);
  serve(100, "a");
  say(100, "replace worker 1 stands still");
  say(100, "replace worker 1 stands still");
  ASSERT_EQ(hands_.starts.size(), 2);
  EXPECT_EQ(last_start().binary, Binary::same);
  EXPECT_EQ(last_start().choice, ConfigChoice::file_or_kept);
  serve(101, "a");
  EXPECT_TRUE(hands_.did("tell 100 drain"));
  EXPECT_TRUE(hands_.did("tell 101 counts 0 1 0 0 0"));
  EXPECT_FALSE(hands_.did("become"));
}

TEST_F(SupervisionTest, AConfigThatCrashesThreeTimesGivesWayToTheLastGoodOne) {
  supervision_.begin(now_);
  serve(100, "good");
  pass(s(31));
  EXPECT_TRUE(hands_.did("tell 100 proven"));
  say_active(100, "poison");
  for (int process = 100; process < 102; ++process) {
    pass(s(20));  // each within 30 s of coming into force
    crash(process);
    EXPECT_EQ(last_start().choice, ConfigChoice::file_or_kept);
    if (process == 100) serve(process + 1, "poison");
  }
  crash(102);  // before it served
  EXPECT_EQ(last_start().choice, ConfigChoice::kept);
  EXPECT_EQ(last_start().kept.hash, "good");
  EXPECT_TRUE(last_start().reason.contains("crashed the gateway 3 times"));
  EXPECT_TRUE(hands_.has_said("the last good config is used instead"));
  serve(103, "good");
  EXPECT_TRUE(hands_.did("tell 103 counts 3 0 0 0 1"));
  crash(103);
  EXPECT_EQ(last_start().choice, ConfigChoice::kept) << "the file says the same as before";
  serve(104, "good");
  supervision_.on_signal(SIGUSR2, now_);
  EXPECT_EQ(last_start().choice, ConfigChoice::kept) << "an upgrade does not bring the poison back";
  serve(105, "good");
  say_active(105, "mended");
  crash(105);
  EXPECT_EQ(last_start().choice, ConfigChoice::file_or_kept);
  EXPECT_EQ(last_start().kept.hash, "mended");
}

TEST_F(SupervisionTest, ACrashAfterHalfAMinuteIsNotTheConfigsFault) {
  supervision_.begin(now_);
  serve(100, "a");
  pass(s(31));
  say_active(100, "b");
  pass(s(31));
  for (int process = 100; process < 105; ++process) {
    crash(process);
    EXPECT_EQ(last_start().choice, ConfigChoice::file_or_kept);
    EXPECT_EQ(last_start().kept.hash, "b");
    serve(process + 1, "b");
    pass(s(20));
  }
}

TEST_F(SupervisionTest, AFileThatCrashesTheLoaderGivesWayToWhatWasInForce) {
  supervision_.begin(now_);
  serve(100, "a");
  pass(s(31));
  crash(100);  // while it reloads: the file never came into force
  for (int process = 101; process < 104; ++process) {
    EXPECT_EQ(last_start().choice, ConfigChoice::file_or_kept);
    crash(process);
  }
  EXPECT_EQ(last_start().choice, ConfigChoice::kept);
  EXPECT_EQ(last_start().kept.hash, "a");
}

TEST_F(SupervisionTest, WithoutAGoodConfigItGoesOnTrying) {
  supervision_.begin(now_);
  for (int process = 100; process < 103; ++process) {
    serve(process, "poison");
    crash(process);
  }
  EXPECT_TRUE(hands_.has_said("no last good config"));
  EXPECT_EQ(last_start().choice, ConfigChoice::file_or_kept);
}

TEST_F(SupervisionTest, TheStoredConfigIsUsedWhenThatIsAskedFor) {
  Supervision supervision(hands_, {.proven_after = s(30), .may_use_stored = true});
  supervision.begin(now_);
  for (int process = 100; process < 103; ++process) {
    supervision.on_message(process, "active poison", make_memory_file("test", "poison"), now_);
    supervision.on_message(process, "ready", Descriptor(), now_);
    supervision.on_end(process, {.is_by_signal = true, .value = SIGSEGV}, now_);
  }
  EXPECT_EQ(last_start().choice, ConfigChoice::stored);
  supervision.on_message(103, "active stored", make_memory_file("test", "stored"), now_);
  supervision.on_message(103, "ready", Descriptor(), now_);
  EXPECT_TRUE(hands_.did("tell 103 counts 3 0 0 0 1"));
  supervision.on_end(103, {.is_by_signal = true, .value = SIGSEGV}, now_);
  EXPECT_EQ(last_start().choice, ConfigChoice::kept);
  EXPECT_EQ(last_start().kept.hash, "stored");
}

}  // namespace
}  // namespace sluice::control
