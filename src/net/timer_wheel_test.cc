#include "net/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

#include "base/random.h"

namespace sluice::net {
namespace {

using namespace std::chrono_literals;

const Instant start{std::chrono::hours(7) + 123'456ns};

struct Recorder {
  explicit Recorder(std::vector<Recorder*>& record) : fired(record) {}
  void on_timer() { fired.push_back(this); }
  std::vector<Recorder*>& fired;
  Timer timer{Timer::of<&Recorder::on_timer>(this)};
};

TEST(TimerWheel, FiresNeverEarlyAndAtMostATickLate) {
  TimerWheel wheel(start);
  std::vector<Recorder*> fired;
  Recorder one(fired);
  wheel.set(one.timer, start, 5ms);
  EXPECT_EQ(wheel.next_event(), start + 5ms);
  wheel.advance(start + 4'999'999ns);
  EXPECT_TRUE(fired.empty());
  EXPECT_TRUE(one.timer.is_set());
  wheel.advance(start + 5ms);
  EXPECT_EQ(fired.size(), 1u);
  EXPECT_FALSE(one.timer.is_set());
  EXPECT_EQ(wheel.next_event(), Instant::max());
}

TEST(TimerWheel, MillionsOfRandomTimersFireInOrder) {
  TimerWheel wheel(start);
  Random random(42);
  std::vector<Recorder*> fired;
  std::deque<Recorder> all;
  Instant now = start;
  std::size_t checked = 0, cancelled = 0;
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 10'000; ++i) {
      const std::uint64_t bits = random.next();
      const Duration after{static_cast<std::int64_t>(random.next() >> (64 - 20 - bits % 28))};  // to ~78 h
      wheel.set(all.emplace_back(fired).timer, now, after);
      if (bits % 5 == 0) all[random.next() % all.size()].timer.cancel();
    }
    const Instant before = now;
    now += Duration(static_cast<std::int64_t>(random.next() % 3'000'000'000));
    EXPECT_GE(wheel.next_event(), before - 1ms);
    wheel.advance(now);
    std::int64_t last_tick = 0;
    for (; checked < fired.size(); ++checked) {
      const Instant due = fired[checked]->timer.due();
      ASSERT_LE(due, now);
      const std::int64_t tick = (due - start + 1ms - 1ns) / 1ms;
      ASSERT_GE(tick, last_tick);
      last_tick = tick;
    }
  }
  const auto still_set = static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const Recorder& r) {
    if (r.timer.is_set()) EXPECT_GT(r.timer.due(), now - 1ms);
    return r.timer.is_set();
  }));
  cancelled = all.size() - still_set - fired.size();
  EXPECT_GT(fired.size(), 1'000'000u);
  EXPECT_GT(still_set, 0u);
  EXPECT_GT(cancelled, 100'000u);
}

TEST(TimerWheel, LongJumpsMeetEveryTimer) {
  TimerWheel wheel(start);
  std::vector<Recorder*> fired;
  std::deque<Recorder> all;
  for (const Duration after : {Duration(1h), Duration(24h), Duration(1ms), Duration(24h * 365 * 200), Duration(65ms)}) {
    wheel.set(all.emplace_back(fired).timer, start, after);
  }
  wheel.advance(start + 25h);
  ASSERT_EQ(fired.size(), 4u);
  EXPECT_EQ(fired[0], &all[2]);
  EXPECT_EQ(fired[1], &all[4]);
  EXPECT_EQ(fired[2], &all[0]);
  EXPECT_EQ(fired[3], &all[1]);
  EXPECT_TRUE(all[3].timer.is_set());
}

TEST(TimerWheel, FiresNoMoreThanAskedForAndTheRestNext) {
  TimerWheel wheel(start);
  std::vector<Recorder*> fired;
  std::deque<Recorder> all;
  for (int i = 0; i < 10; ++i) wheel.set(all.emplace_back(fired).timer, start, i < 5 ? 2ms : 3ms);
  wheel.advance(start + 5ms, 4);
  EXPECT_EQ(fired.size(), 4u);
  EXPECT_TRUE(wheel.has_due());
  EXPECT_LE(wheel.next_event(), start + 5ms);
  EXPECT_EQ(wheel.count(), 6u);
  all[4].timer.cancel();                       // due, and not fired yet
  wheel.set(all[9].timer, start + 5ms, 10ms);  // set anew
  wheel.advance(start + 5ms, 4);
  EXPECT_EQ(fired.size(), 8u);
  wheel.advance(start + 5ms, 4);
  EXPECT_EQ(fired.size(), 8u);
  EXPECT_FALSE(wheel.has_due());
  wheel.advance(start + 15ms, 4);
  ASSERT_EQ(fired.size(), 9u);
  EXPECT_EQ(fired.back(), &all[9]);
}

TEST(TimerWheel, NextEventIsNeverAfterTheFirstTimer) {
  TimerWheel wheel(start);
  Random random(7);
  std::vector<Recorder*> fired;
  Instant now = start;
  for (int i = 0; i < 2'000; ++i) {
    Recorder one(fired);
    wheel.set(one.timer, now, Duration(static_cast<std::int64_t>(random.next() % 100'000'000'000)));
    int steps = 0;
    while (one.timer.is_set()) {
      ASSERT_LE(wheel.next_event(), one.timer.due() + 1ms);
      now = std::max(now, wheel.next_event());
      wheel.advance(now);
      ASSERT_LT(++steps, 8);
    }
    ASSERT_GE(now, one.timer.due());
    ASSERT_LE(now, one.timer.due() + 1ms);
  }
}

struct Suicidal {
  explicit Suicidal(std::unique_ptr<Suicidal>& self) : owner(self) {}
  void on_timer() { owner.reset(); }
  std::unique_ptr<Suicidal>& owner;
  Timer timer{Timer::of<&Suicidal::on_timer>(this)};
};

TEST(TimerWheel, ATimerMayBeDestroyedInItsOwnCallback) {
  TimerWheel wheel(start);
  std::unique_ptr<Suicidal> one;
  one = std::make_unique<Suicidal>(one);
  wheel.set(one->timer, start, 3ms);
  wheel.advance(start + 10ms);
  EXPECT_EQ(one, nullptr);
}

struct Chain {
  void on_timer() {
    ++count;
    if (victim != nullptr) victim->cancel();
    if (count < 3) wheel.set(timer, now, 0ms);
  }
  TimerWheel& wheel;
  Instant now;
  Timer* victim = nullptr;
  int count = 0;
  Timer timer{Timer::of<&Chain::on_timer>(this)};
};

TEST(TimerWheel, CallbacksCancelOthersOfTheSameTickAndSetThemselvesAnew) {
  TimerWheel wheel(start);
  std::vector<Recorder*> fired;
  Recorder other(fired);
  Chain chain{.wheel = wheel, .now = start, .victim = &other.timer};
  wheel.set(chain.timer, start, 70ms);
  wheel.set(other.timer, start, 70ms);
  wheel.advance(start + 70ms);
  EXPECT_EQ(chain.count, 1);  // what it sets fires later
  EXPECT_TRUE(fired.empty());
  wheel.advance(start + 72ms);
  EXPECT_EQ(chain.count, 3);
}

TEST(TimerWheel, TimersMayOutliveTheWheel) {
  std::vector<Recorder*> fired;
  Recorder one(fired);
  {
    TimerWheel wheel(start);
    wheel.set(one.timer, start, 1s);
  }
  EXPECT_FALSE(one.timer.is_set());
}

}  // namespace
}  // namespace sluice::net
