#pragma once
// For tests of net: one loop on the test's thread, scripted ends of streams, and a bound on time.

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "net/loop.h"
#include "net/sim/sim_loop.h"

namespace sluice::net::testing {

// One end of a stream: records what it hears; what a test sets as a function is called after.
struct End final : StreamHandler {
  End() = default;
  End(const End&) = delete;

  void on_connected() override {
    ++connected;
    if (at_connected) at_connected();
  }
  void on_data(Buffer bytes) override {
    EXPECT_FALSE(bytes.empty());
    ++batches;
    received += bytes.size();
    if (at_data) return at_data(std::move(bytes));
    text.append(bytes.view());
  }
  void on_end() override {
    ++ended;
    if (at_end) at_end();
  }
  void on_drained() override {
    ++drained;
    if (at_drained) at_drained();
  }
  void on_failed(Error what) override {
    ++failed;
    error = what;
    if (at_failed) at_failed();
  }
  void goodbye(Stream::Goodbye how) { stream.release()->let_go(how); }

  StreamPtr stream;
  std::string text;
  std::size_t received = 0;
  int batches = 0, connected = 0, ended = 0, drained = 0, failed = 0;
  Error error{};
  std::function<void()> at_connected, at_end, at_drained, at_failed;
  std::function<void(Buffer)> at_data;
};

inline const char* kind_name(LoopKind kind) {
  return kind == LoopKind::epoll ? "epoll" : kind == LoopKind::uring ? "uring" : "sim";
}

class LoopTest : public ::testing::TestWithParam<LoopKind>, public AcceptHandler {
 public:
  void on_accept(StreamPtr stream) override {
    End& end = accepted.emplace_back();
    end.stream = std::move(stream);
    if (at_accept) at_accept(end);
    if (end.stream) end.stream->set_handler(end);
  }

 protected:
  void SetUp() override {
    if (GetParam() == LoopKind::sim) return set_up_sim();
    auto made = make_loop(GetParam());
    if (!made) GTEST_SKIP() << "no " << kind_name(GetParam()) << " loop here: " << made.error().what;
    loop = std::move(*made);
    auto socket = listen_on(*Address::parse("127.0.0.1:0"));
    ASSERT_TRUE(socket) << socket.error().what;
    address = *bound_address(*socket);
    acceptor = loop->accept_from(std::move(*socket), *this);
  }
  void set_up_sim(const sim::Weather& weather = {}) {
    network.emplace(1, weather);
    loop = std::make_unique<sim::SimLoop>(*network);
    auto socket = network->listen_on(*Address::parse("127.0.0.1:0"));
    address = network->bound_address(*socket);
    acceptor = loop->accept_from(std::move(*socket), *this);
  }
  void TearDown() override {
    accepted.clear();
    clients.clear();
    acceptor.reset();
  }

  End& connect() {
    End& end = clients.emplace_back();
    end.stream = loop->connect(address, end);
    return end;
  }

  // Runs the loop until `done` holds, looked at every millisecond. False when `patience` passes first.
  bool run_until(std::function<bool()> done, Duration patience = std::chrono::seconds(60)) {
    done_ = std::move(done);
    deadline_ = loop->now() + patience;
    loop->set_timer(look_, Duration(0));
    loop->run();
    return done_();
  }
  void run_for(Duration time) {
    (void)run_until([] { return false; }, time);
  }

  // A connected pair: first the client's end, then the server's.
  std::pair<End*, End*> make_pair() {
    const std::size_t before = accepted.size();
    End& client = connect();
    EXPECT_TRUE(run_until([&] { return client.connected == 1 && accepted.size() > before; }));
    return {&client, &accepted.back()};
  }

  std::optional<sim::Network> network;  // with LoopKind::sim
  std::unique_ptr<Loop> loop;
  Address address;
  std::unique_ptr<Acceptor> acceptor;
  std::deque<End> accepted, clients;
  std::function<void(End&)> at_accept;

 private:
  void look() {
    if (done_() || loop->now() >= deadline_) return loop->stop();
    loop->set_timer(look_, std::chrono::milliseconds(1));
  }
  std::function<bool()> done_;
  Instant deadline_;
  Timer look_{Timer::of<&LoopTest::look>(this)};
};

#define SLUICE_ON_ALL_LOOPS(suite)                                                                           \
  INSTANTIATE_TEST_SUITE_P(Loops, suite, ::testing::Values(LoopKind::epoll, LoopKind::uring, LoopKind::sim), \
                           [](const auto& info) { return std::string(kind_name(info.param)); })

#define SLUICE_ON_BOTH_LOOPS(suite)                                                           \
  INSTANTIATE_TEST_SUITE_P(Loops, suite, ::testing::Values(LoopKind::epoll, LoopKind::uring), \
                           [](const auto& info) { return std::string(kind_name(info.param)); })

}  // namespace sluice::net::testing
