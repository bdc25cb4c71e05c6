#pragma once
// For unit tests of Supervision: hands that write down what they are told, and a clock that the test moves.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "control/channel.h"
#include "control/memory_file.h"
#include "control/supervision.h"

namespace sluice::control {

class NotedHands final : public SupervisorHands {
 public:
  std::vector<StartOrder> starts;  // process ids count from 100
  std::vector<std::string> acts;   // "kill 100 15", "tell 100 drain", "serves 101", "become"
  std::vector<std::string> said;
  bool can_start = true;
  int stopped = 0;  // the process that is stopped

  std::expected<int, std::string> start(const StartOrder& order) override {
    if (!can_start) return std::unexpected("no memory");
    starts.push_back(order);
    return 99 + static_cast<int>(starts.size());
  }
  void signal(int process, int number) override { acts.push_back(fmt::format("kill {} {}", process, number)); }
  void tell(int process, std::string_view message) override {
    acts.push_back(fmt::format("tell {} {}", process, message));
  }
  bool is_stopped(int process) override { return process == stopped; }
  void report(Level, std::string text) override { said.push_back(std::move(text)); }
  void serves(int process) override { acts.push_back(fmt::format("serves {}", process)); }
  void become_new_binary() override { acts.push_back("become"); }
  void upgrade_failed(std::string_view why) override { acts.push_back(fmt::format("failed: {}", why)); }
  std::uint32_t random() override { return 512; }

  bool did(std::string_view act) const { return std::ranges::find(acts, act) != acts.end(); }
  bool has_said(std::string_view part) const {
    return std::ranges::any_of(said, [&](const std::string& text) { return text.contains(part); });
  }
};

class SupervisionTest : public testing::Test {
 protected:
  using ms = std::chrono::milliseconds;
  using s = std::chrono::seconds;

  void pass(Duration time) {
    // As the real one: it looks at the clock at least twice a second.
    for (const Instant end = now_ + time; now_ < end;) {
      now_ = std::min(end, now_ + Duration(ms(500)));
      beat_all();
      supervision_.on_time(now_);
    }
  }
  void say(int process, std::string_view text) { supervision_.on_message(process, text, Descriptor(), now_); }
  void say_active(int process, std::string_view hash) {
    supervision_.on_message(process, fmt::format("active {}", hash), make_memory_file("test", hash), now_);
  }
  // It loads a config and serves.
  void serve(int process, std::string_view hash) {
    say(process, "hello 1 1 test");
    say_active(process, hash);
    say(process, "ready");
  }
  void crash(int process) { supervision_.on_end(process, {.is_by_signal = true, .value = SIGSEGV}, now_); }
  void exit(int process, int code) { supervision_.on_end(process, {.is_by_signal = false, .value = code}, now_); }
  void beat_all() {
    for (const GatewayProcess& process : supervision_.state().processes)
      if (process.id != hands_.stopped && process.id != mute_) beats_.push_back(process.id);
    for (const int process : std::exchange(beats_, {})) say(process, "beat");
  }
  const StartOrder& last_start() const { return hands_.starts.back(); }

  NotedHands hands_;
  Supervision supervision_{hands_, {.proven_after = std::chrono::seconds(30), .may_use_stored = false}};
  Instant now_{std::chrono::hours(1)};
  int mute_ = 0;  // a process that does not beat
  std::vector<int> beats_;
};

}  // namespace sluice::control
