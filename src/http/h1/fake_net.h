#pragma once
// For tests: a loop with a clock that stands still, and streams whose other end is the test. Nothing here calls back by
// itself: FakeLoop::turn() delivers what is due.

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/block_pool.h"
#include "net/loop.h"
#include "net/shared_blocks.h"
#include "net/timer_wheel.h"

namespace sluice::http::h1 {

class FakeLoop;

class FakeStream final : public net::Stream {
 public:
  explicit FakeStream(FakeLoop& loop) : loop_(loop) {}

  // The test's side.
  void give(std::string_view bytes);  // what the peer sends; held while paused
  void give_end() {
    if (handler != nullptr) handler->on_end();
  }
  void fail(Code code = Code::reset) {
    if (handler != nullptr) std::exchange(handler, nullptr)->on_failed({code, Side::upstream});
  }
  void deliver();  // held input, on_drained
  std::string take_output() { return std::exchange(output, {}); }
  bool is_gone() const { return has_gone; }

  std::string output;
  std::size_t unsent = 0;
  std::size_t unacknowledged = 0;  // in the kernel
  bool holds_output = false;       // the peer takes nothing: what is written counts as unsent
  bool is_paused = false;
  bool wants_drained = false;
  bool has_gone = false;
  std::uint64_t expected_bytes = 0;
  std::size_t tail_room = 64;  // behind the bytes of each buffer given
  Goodbye goodbye = Goodbye::close;
  net::StreamHandler* handler = nullptr;
  net::Address address{};  // the peer

  // net::Stream
  void set_handler(net::StreamHandler& to) override { handler = &to; }
  void pause_reading() override { is_paused = true; }
  void resume_reading() override { is_paused = false; }
  void expect_bytes(std::uint64_t bytes) override { expected_bytes = bytes; }
  char* room(std::size_t bytes) override {
    if (staging_.size() < bytes) staging_.resize(bytes);
    return staging_.data();
  }
  void wrote(std::size_t bytes) override { write(std::string_view(staging_.data(), bytes)); }
  void write(std::string_view bytes) override {
    output.append(bytes);
    if (holds_output) unsent += bytes.size();
  }
  void write(net::Buffer bytes) override { write(bytes.view()); }
  std::size_t unsent_bytes() const override { return unsent; }
  std::size_t untouched_bytes() const override { return unsent; }
  std::size_t unacknowledged_bytes() const override { return unacknowledged; }
  void want_drained() override { wants_drained = true; }
  void finish_writing() override {}
  const net::Address& peer() const override { return address; }
  void let_go(Goodbye how) override {
    goodbye = how;
    has_gone = true;
    handler = nullptr;
  }

 private:
  FakeLoop& loop_;
  std::deque<std::string> held_;
  std::vector<char> staging_ = std::vector<char>(32 * 1024);
};

class FakeLoop final : public net::Loop {
 public:
  FakeStream& make_stream() { return *streams_.emplace_back(std::make_unique<FakeStream>(*this)); }
  FakeStream& last_stream() { return *streams_.back(); }
  FakeStream& stream(std::size_t index) { return *streams_[index]; }
  std::size_t streams() const { return streams_.size(); }
  void pass(Duration time) {
    now_ += time;
    wheel_.advance(now_);
  }
  // Lets streams call back until nobody wants to any more.
  void turn() {
    for (int i = 0; i < 4; ++i) {
      turn_ends_.run();
      for (std::size_t at = 0; at < streams_.size(); ++at) streams_[at]->deliver();
    }
  }

  Instant now() const override { return now_; }
  WallTime wall_now() const override { return {}; }
  std::uint64_t random() override { return 4; }
  void set_timer(net::Timer& timer, Duration after) override {
    ++timers_set;
    wheel_.set(timer, now_, after);
  }
  void at_turn_end(net::TurnEnd& work) override { turn_ends_.add(work); }
  net::StreamPtr connect(const net::Address&, net::StreamHandler& handler) override {
    FakeStream& stream = make_stream();
    stream.handler = &handler;
    return net::StreamPtr(&stream);
  }
  std::unique_ptr<net::Acceptor> accept_from(net::ListenSocket, net::AcceptHandler&) override { return nullptr; }
  void pause_accepting(bool paused) override { is_accepting_paused = paused; }
  net::Buffer make_buffer(std::size_t bytes) override { return blocks_.take(bytes); }
  net::Buffer share(net::Buffer& buffer) override { return shares_.share(buffer); }
  void post(std::move_only_function<void()> task) override { posted.push_back(std::move(task)); }
  std::uint64_t lent_bytes() const override { return lent; }
  void run() override {}
  void stop() override {}
  Counters counters() const override { return {}; }
  std::size_t leaving() const override { return leaves; }
  net::LoopKind kind() const override { return net::LoopKind::epoll; }

  std::size_t timers_set = 0;
  std::size_t leaves = 0;  // what leaving() says
  std::uint64_t lent = 0;  // what lent_bytes() says
  bool is_accepting_paused = false;
  std::deque<std::move_only_function<void()>> posted;  // run by the test

 private:
  Instant now_ = Instant{std::chrono::seconds(1000)};
  net::BlockPool blocks_;
  net::SharedBlocks shares_;
  net::TimerWheel wheel_{now_};
  net::TurnEnds turn_ends_;
  std::vector<std::unique_ptr<FakeStream>> streams_;
};

inline void FakeStream::give(std::string_view bytes) {
  if (handler == nullptr) return;
  if (is_paused) {
    held_.emplace_back(bytes);
    return;
  }
  net::Buffer buffer = loop_.make_buffer(bytes.size() + tail_room);
  bytes.copy(buffer.block(), bytes.size());
  buffer.set_size(bytes.size());
  handler->on_data(std::move(buffer));
}

inline void FakeStream::deliver() {
  while (!held_.empty() && !is_paused && handler != nullptr) {
    const std::string bytes = std::move(held_.front());
    held_.pop_front();
    give(bytes);
  }
  if (!holds_output) unsent = 0;
  if (wants_drained && unsent == 0 && handler != nullptr) {
    wants_drained = false;
    handler->on_drained();
  }
}

}  // namespace sluice::http::h1
