// What only the simulator can show of a loop: rough weather, and that a seed fixes everything. The tests of streams
// that every backend passes run on it too: net/stream_test.cc.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "net/loop_fixture.h"

namespace sluice::net::sim {
namespace {

using namespace std::chrono_literals;
using testing::End;

constexpr Weather rough{.least_delay = 10us,
                        .most_delay = 30ms,
                        .short_percent = 50,
                        .window_bytes = 3'000,
                        .block_bytes = 700,
                        .most_turn = 2ms};

class SimTest : public testing::LoopTest {
 protected:
  void SetUp() override { set_up_sim(rough); }
};
INSTANTIATE_TEST_SUITE_P(Loops, SimTest, ::testing::Values(LoopKind::sim));

TEST_P(SimTest, ShortReadsAndWritesLoseNothing) {
  const auto [client, server] = make_pair();
  std::string sent;
  for (int i = 0; i < 40'000; ++i) sent += std::to_string(i) + ",";
  client->stream->write(sent);
  client->stream->finish_writing();
  ASSERT_TRUE(run_until([&, s = server] { return s->ended == 1; }, 1h));
  EXPECT_TRUE(server->text == sent);
  EXPECT_GT(server->batches, 300);
}

TEST_P(SimTest, APeerThatIsABlackHoleIsSilentForever) {
  network->set_black_hole(address, true);
  End& client = connect();
  run_for(1h);
  EXPECT_EQ(client.connected + client.failed, 0);
}

TEST_P(SimTest, OutOfDescriptorsConnectsFailAndAcceptsWait) {
  End& queued = connect();
  network->set_exhausted(true);
  run_for(1s);
  EXPECT_EQ(queued.connected, 1);
  EXPECT_TRUE(accepted.empty());
  EXPECT_LT(loop->counters().accept_errors, 12u);  // every 100 ms
  End& refused = connect();
  run_for(10ms);
  EXPECT_EQ(refused.failed, 1);
  EXPECT_EQ(refused.error.code, Code::exhausted);
  network->set_exhausted(false);
  run_for(1s);
  EXPECT_EQ(accepted.size(), 1u);
}

TEST_P(SimTest, AWallClockThatJumpsMovesNoTimer) {
  struct Note {
    void on_timer() { ++fired; }
    int fired = 0;
    Timer timer{Timer::of<&Note::on_timer>(this)};
  } note;
  loop->set_timer(note.timer, 1s);
  const WallTime before = loop->wall_now();
  network->jump_wall_clock(-2h);
  run_for(500ms);
  EXPECT_LT(loop->wall_now(), before);
  EXPECT_EQ(note.fired, 0);
  run_for(600ms);
  EXPECT_EQ(note.fired, 1);
}

TEST_P(SimTest, ALoopThatSpinsIsCounted) {
  struct Spinner {
    void again() {
      loop.post([this] { again(); });
    }
    Loop& loop;
  } spinner{*loop};
  spinner.again();
  for (int i = 0; i < 5'000; ++i) ASSERT_TRUE(network->step());
  EXPECT_GT(network->idle_turns(), 2'000u);
}

// One world from a seed; returns the number that all its events went into.
std::uint64_t play(std::uint64_t seed) {
  Network network(seed, rough);
  SimLoop one(network), two(network);
  struct Echo : AcceptHandler {
    void on_accept(StreamPtr stream) override {
      End& end = ends.emplace_back();
      end.stream = std::move(stream);
      end.at_data = [&end](Buffer bytes) { end.stream->write(std::move(bytes)); };
      end.at_end = [&end] { end.goodbye(Stream::Goodbye::flush_and_close); };
      end.stream->set_handler(end);
    }
    std::deque<End> ends;
  } echo;
  auto socket = network.listen_on(*Address::parse("127.0.0.1:80"));
  const auto acceptor = one.accept_from(std::move(*socket), echo);
  std::deque<End> clients;
  for (int i = 0; i < 5; ++i) {
    End& client = clients.emplace_back();
    client.stream = two.connect(*Address::parse("127.0.0.1:80"), client);
    client.stream->write(std::string(5'000, 'x'));
    client.stream->finish_writing();
  }
  while (std::ranges::any_of(clients, [](End& client) { return client.ended == 0; }) && network.step()) {
  }
  for (const End& client : clients) EXPECT_EQ(client.received, 5'000u);
  return network.trace_hash();
}

TEST(SimNetworkTest, ASeedFixesEverything) {
  for (const std::uint64_t seed : {1, 2, 3}) EXPECT_EQ(play(seed), play(seed));
  EXPECT_NE(play(1), play(2));
}

}  // namespace
}  // namespace sluice::net::sim
