#include "control/watchdog.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>

#include "control/symbols.h"

namespace sluice::control {

// Outside of the unnamed namespace, so that it has a name on the stack.
[[gnu::noinline]] void a_function_that_takes_long(const std::atomic<bool>& is_over) {
  while (!is_over.load(std::memory_order_relaxed)) asm volatile("" ::: "memory");
  asm volatile("");  // no tail call above it
}

namespace {

using ms = std::chrono::milliseconds;

// ---- the decision, with a clock of the test's own and a worker that does what it is told

class WatchdogLook : public testing::Test {
 protected:
  void pass(Duration time) {
    for (const Instant end = now_ + time; now_ < end;) {
      now_ += ms(10);
      watchdog_.look(now_);
    }
  }
  net::Loop::Counters counters_{};
  Duration waited_{};
  std::vector<std::string> reports_;
  int stuck_ = 0;
  Instant now_{std::chrono::hours(1)};
  Watchdog watchdog_{{{.name = "worker 0",
                       .counters = [this] { return counters_; },
                       .waited_for_processor = [this] { return waited_; },
                       .thread = pthread_self()}},
                     {.report = [this](std::string text) { reports_.push_back(std::move(text)); },
                      .on_stuck = [this](const std::string&) { ++stuck_; }},
                     {}};
};

TEST_F(WatchdogLook, AWaitingWorkerIsLeftAlone) {
  counters_.is_waiting = true;
  pass(std::chrono::hours(1) / 60);
  EXPECT_TRUE(reports_.empty());
  EXPECT_EQ(stuck_, 0);
}

TEST_F(WatchdogLook, AWorkerThatTurnsIsLeftAlone) {
  for (int turn = 0; turn < 100; ++turn) {
    ++counters_.turns;
    pass(ms(90));
  }
  EXPECT_TRUE(reports_.empty());
}

TEST_F(WatchdogLook, AStallIsReportedOnceAndItsEndToo) {
  pass(ms(100));
  EXPECT_TRUE(reports_.empty()) << "the turn was seen first 10 ms after the start";
  pass(ms(10));
  ASSERT_EQ(reports_.size(), 1);
  EXPECT_TRUE(reports_[0].starts_with("worker 0 has not turned its loop for 100 ms")) << reports_[0];
  pass(ms(300));
  EXPECT_EQ(reports_.size(), 1);
  ++counters_.turns;
  pass(ms(10));
  ASSERT_EQ(reports_.size(), 2);
  EXPECT_TRUE(reports_[1].contains("turns its loop again, after 41")) << reports_[1];
  EXPECT_EQ(watchdog_.stalls(), 1);
}

TEST_F(WatchdogLook, AfterTwoSecondsItIsStuckAndStaysSo) {
  pass(ms(2000));
  EXPECT_EQ(stuck_, 0);
  pass(ms(10));
  EXPECT_EQ(stuck_, 1);
  pass(ms(2000));
  EXPECT_EQ(stuck_, 2) << "a replacement may have failed";
}

TEST_F(WatchdogLook, WaitingForAProcessorIsNobodysFault) {
  for (int i = 0; i < 500; ++i) {
    pass(ms(10));
    waited_ += ms(10);
  }
  EXPECT_TRUE(reports_.empty());
  EXPECT_EQ(stuck_, 0);
}

TEST_F(WatchdogLook, StacksAreNotShownMoreThanOnceASecond) {
  for (int stall = 0; stall < 4; ++stall) {
    pass(ms(300));
    ++counters_.turns;
  }
  std::size_t stacks = 0;
  for (const std::string& report : reports_)
    stacks += report.contains("It is at:") || report.contains("does not answer");
  EXPECT_EQ(watchdog_.stalls(), 4);
  EXPECT_EQ(stacks, 1);
}

// ---- with a real loop on a real thread

TEST(Watchdog, NamesTheFunctionThatHoldsAWorkerUpAndReportsItStuck) {
  auto loop = net::make_loop(net::LoopKind::epoll);
  ASSERT_TRUE(loop);
  std::atomic<pid_t> id{0};
  std::thread worker([&] {
    id = ::gettid();
    (*loop)->run();
  });
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> reports;
  bool is_stuck = false;
  Watchdog watchdog({{.name = "worker 7",
                      .counters = [&] { return (*loop)->counters(); },
                      .waited_for_processor = [&] { return read_wait_for_processor(id); },
                      .thread = worker.native_handle()}},
                    {.report =
                         [&](std::string text) {
                           const std::lock_guard lock(mutex);
                           reports.push_back(std::move(text));
                           changed.notify_all();
                         },
                     .on_stuck =
                         [&](const std::string& name) {
                           const std::lock_guard lock(mutex);
                           is_stuck = name == "worker 7";
                           changed.notify_all();
                         }},
                    {.tick = ms(5), .stuck_after = ms(300)});
  watchdog.start();
  std::this_thread::sleep_for(ms(300));
  EXPECT_EQ(watchdog.stalls(), 0) << "an idle loop";
  std::atomic<bool> is_over{false};
  (*loop)->post([&] { a_function_that_takes_long(is_over); });
  {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return is_stuck; }));
    ASSERT_FALSE(reports.empty());
    EXPECT_TRUE(reports[0].contains("worker 7 has not turned its loop for"));
    EXPECT_TRUE(reports[0].contains("a_function_that_takes_long")) << reports[0];
    EXPECT_TRUE(reports[0].contains("EpollLoop::run")) << reports[0];
  }
  is_over = true;
  (*loop)->post([&] { (*loop)->stop(); });
  worker.join();
  watchdog.stop();
}

TEST(StackOfAThread, NamesAreFoundForOursAndForLibraries) {
  const Symbols symbols;
  EXPECT_TRUE(symbols.name(reinterpret_cast<const void*>(&a_function_that_takes_long))
                  .starts_with("sluice::control::a_function_that_takes_long(std::atomic<bool> const&)+0x0"));
  EXPECT_TRUE(symbols.name(nullptr).starts_with("0x0"));
}

}  // namespace
}  // namespace sluice::control
