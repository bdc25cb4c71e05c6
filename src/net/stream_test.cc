// Streams as their users see them, on all backends.
#include "net/stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/random.h"
#include "net/loop_fixture.h"

namespace sluice::net {
namespace {

using namespace std::chrono_literals;
using testing::End;
using testing::kind_name;

class StreamTest : public testing::LoopTest {};
SLUICE_ON_ALL_LOOPS(StreamTest);

char byte_at(std::size_t offset) { return static_cast<char>((offset * 2654435761u) >> 13); }

// Writes `total` bytes of the pattern, at most `most_unsent` ahead of the kernel.
struct Pump {
  Pump(Loop& on, End& end, std::size_t bytes) : loop(on), to(end), total(bytes) {
    to.at_drained = [this] { more(); };
  }
  void more() {
    while (written < total && to.stream && to.stream->unsent_bytes() < most_unsent) {
      const std::size_t count = std::min(piece, total - written);
      Buffer buffer = loop.make_buffer(count);
      for (std::size_t i = 0; i < count; ++i) buffer.block()[i] = byte_at(written + i);
      buffer.set_size(count);
      to.stream->write(std::move(buffer));
      written += count;
      worst_unsent = std::max(worst_unsent, to.stream->unsent_bytes());
    }
    if (written < total) to.stream->want_drained();
    if (written == total && then_finish) to.stream->finish_writing();
  }
  Loop& loop;
  End& to;
  std::size_t total, written = 0, worst_unsent = 0, most_unsent = 256 << 10, piece = 30'000;
  bool then_finish = true;
};

// Checks the pattern of Pump.
struct Check {
  explicit Check(End& end) {
    end.at_data = [this](Buffer bytes) {
      for (const char c : bytes.view()) is_right &= c == byte_at(offset++);
    };
  }
  std::size_t offset = 0;
  bool is_right = true;
};

TEST_P(StreamTest, ConnectsAndEchoes) {
  at_accept = [](End& server) { server.at_data = [&server](Buffer bytes) { server.stream->write(std::move(bytes)); }; };
  End& client = connect();
  client.stream->write("early ");  // before the connection stands
  client.at_connected = [&] { client.stream->write("bird"); };
  EXPECT_EQ(client.connected, 0);  // never inside the call
  EXPECT_TRUE(run_until([&] { return client.text == "early bird"; }));
  EXPECT_EQ(client.connected, 1);
  EXPECT_EQ(client.stream->peer(), address);
}

TEST_P(StreamTest, AllWaysToWriteKeepTheirOrder) {
  const auto [client, server] = make_pair();
  std::string expected;
  for (int i = 0; i < 50; ++i) {
    const std::string text = "<" + std::to_string(i) + ">";
    std::memcpy(client->stream->room(100), text.data(), text.size());
    client->stream->wrote(text.size());
    (void)client->stream->room(40'000);  // room that is not used
    client->stream->write(text);
    for (const std::size_t size : {std::size_t{10}, std::size_t{4'096}, std::size_t{4'097}, std::size_t{60'000}}) {
      Buffer buffer = loop->make_buffer(size + 3);
      std::memset(buffer.block(), 'a' + i % 26, size + 3);
      buffer.set_size(size + 3);
      buffer.drop_front(3);
      client->stream->write(std::move(buffer));
    }
    expected += text + text;
    expected.append(10 + 4'096 + 4'097 + 60'000, static_cast<char>('a' + i % 26));
  }
  client->stream->write(std::string(700'000, 'z'));
  expected.append(700'000, 'z');
  EXPECT_EQ(client->stream->unsent_bytes(), expected.size());
  EXPECT_TRUE(run_until([&, s = server] { return s->received >= expected.size(); }));
  EXPECT_TRUE(server->text == expected);
  EXPECT_EQ(client->stream->unsent_bytes(), 0u);
}

TEST_P(StreamTest, TenMegabytesEachWayAtOnce) {
  const auto [client, server] = make_pair();
  constexpr std::size_t total = 10 << 20;
  for (const bool is_expected : {false, true}) {
    Pump up(*loop, *client, total), down(*loop, *server, total);
    up.then_finish = down.then_finish = false;
    Check at_server(*server), at_client(*client);
    if (is_expected) {
      client->stream->expect_bytes(total);
      server->stream->expect_bytes(total);
    }
    up.more();
    down.more();
    EXPECT_TRUE(run_until([&] { return at_server.offset == total && at_client.offset == total; }));
    EXPECT_TRUE(at_server.is_right && at_client.is_right);
    EXPECT_LE(up.worst_unsent, up.most_unsent + up.piece);
  }
}

TEST_P(StreamTest, AReaderThatStopsHoldsTheWriterBack) {
  const auto [client, server] = make_pair();
  constexpr std::size_t total = 32 << 20;
  Pump pump(*loop, *client, total);
  Check check(*server);
  server->stream->pause_reading();
  pump.more();
  run_for(100ms);
  const std::size_t stopped_at = pump.written;
  EXPECT_LT(stopped_at, total);
  EXPECT_LE(client->stream->unsent_bytes(), pump.most_unsent + pump.piece);
  run_for(50ms);
  EXPECT_EQ(pump.written, stopped_at);
  const std::size_t seen = check.offset;
  server->stream->resume_reading();
  EXPECT_TRUE(run_until([&, s = server] { return s->ended == 1; }));
  EXPECT_GE(check.offset, seen);
  EXPECT_EQ(check.offset, total);
  EXPECT_TRUE(check.is_right);
}

TEST_P(StreamTest, PausedMeansSilent) {
  const auto [client, server] = make_pair();
  server->at_data = [s = server](Buffer bytes) {
    s->text.append(bytes.view());
    s->stream->pause_reading();
  };
  for (int i = 0; i < 5; ++i) {
    client->stream->write(std::string(20'000, static_cast<char>('a' + i)));
    run_for(5ms);
  }
  client->stream->finish_writing();
  run_for(20ms);
  EXPECT_EQ(server->batches, 1);
  EXPECT_EQ(server->ended, 0);
  while (server->ended == 0 && server->batches < 1000) {
    const int before = server->batches;
    server->stream->resume_reading();
    EXPECT_EQ(server->batches, before);  // never inside the call
    ASSERT_TRUE(run_until([&, s = server] { return s->batches > before || s->ended == 1; }));
    run_for(2ms);
    ASSERT_LE(server->batches, before + 1);
  }
  std::string expected;
  for (int i = 0; i < 5; ++i) expected.append(20'000, static_cast<char>('a' + i));
  EXPECT_TRUE(server->text == expected);
}

TEST_P(StreamTest, HalfCloseBothWays) {
  const auto [client, server] = make_pair();
  client->stream->write("question");
  client->stream->finish_writing();
  ASSERT_TRUE(run_until([&, s = server] { return s->ended == 1; }));
  EXPECT_EQ(server->text, "question");
  run_for(5ms);
  EXPECT_EQ(client->ended + client->failed + server->failed, 0);
  server->stream->write(std::string(3 << 20, 'x'));  // still works, and more than the kernel takes at once
  server->stream->finish_writing();
  ASSERT_TRUE(run_until([&, c = client] { return c->ended == 1; }));
  EXPECT_EQ(client->received, 3u << 20);
  run_for(5ms);
  EXPECT_EQ(server->ended + client->ended, 2);
  EXPECT_EQ(client->failed + server->failed, 0);
}

TEST_P(StreamTest, RefusedConnect) {
  acceptor.reset();
  End& client = connect();
  client.stream->write("lost");
  EXPECT_EQ(client.failed, 0);  // never inside the call
  ASSERT_TRUE(run_until([&] { return client.failed == 1; }));
  EXPECT_EQ(client.error.code, Code::refused);
  EXPECT_TRUE(client.error.retryable);
  EXPECT_EQ(client.connected, 0);
  run_for(5ms);
  EXPECT_EQ(client.failed, 1);
}

TEST_P(StreamTest, ResetIsSeen) {
  const auto [client, server] = make_pair();
  server->goodbye(Stream::Goodbye::abort);
  ASSERT_TRUE(run_until([&, c = client] { return c->failed == 1; }));
  EXPECT_EQ(client->error.code, Code::reset);
  client->stream->write("into the void");  // allowed, without effect
  client->stream->finish_writing();
  run_for(5ms);
  EXPECT_EQ(client->failed, 1);
  EXPECT_EQ(client->ended, 0);
}

TEST_P(StreamTest, WritingToAResetStreamFailsLater) {
  const auto [client, server] = make_pair();
  client->stream->pause_reading();
  server->goodbye(Stream::Goodbye::abort);
  run_for(10ms);
  const int before = client->failed;  // a paused stream may hear of the reset, or not yet
  client->stream->write("x");
  EXPECT_EQ(client->failed, before);  // never inside the call
  ASSERT_TRUE(run_until([&, c = client] { return c->failed == 1; }));
  EXPECT_EQ(client->error.code, Code::reset);
}

TEST_P(StreamTest, AnEarlyAnswerIsReadEvenWhenWritingFails) {
  const auto [client, server] = make_pair();
  Pump pump(*loop, *client, 64 << 20);
  server->stream->pause_reading();  // what the client writes stays unread: closing resets
  pump.more();
  run_for(10ms);
  server->stream->write("413 enough");
  run_for(1ms);
  server->stream.reset();
  ASSERT_TRUE(run_until([&, c = client] { return c->failed == 1; }));
  EXPECT_EQ(client->text, "413 enough");
}

TEST_P(StreamTest, DropInEveryCallback) {
  at_accept = [](End& server) {
    server.at_data = [&server](Buffer bytes) {
      server.stream->write(std::move(bytes));
      server.goodbye(Stream::Goodbye::flush_and_close);
    };
    server.at_end = [&server] { server.stream.reset(); };
  };
  End& in_connected = connect();
  in_connected.at_connected = [&] {
    in_connected.stream->write("x");
    in_connected.stream.reset();
  };
  End& in_data = connect();
  in_data.stream->write("ping");
  in_data.at_data = [&](Buffer) { in_data.stream.reset(); };
  End& in_drained = connect();
  in_drained.stream->write("ping");
  in_drained.stream->want_drained();
  in_drained.at_drained = [&] { in_drained.stream.reset(); };
  End& in_end = connect();
  in_end.at_connected = [&] { in_end.stream->finish_writing(); };
  in_end.at_end = [&] { in_end.stream.reset(); };
  End& in_failed = clients.emplace_back();
  in_failed.stream = loop->connect(*Address::parse("127.0.0.1:1"), in_failed);
  in_failed.at_failed = [&] { in_failed.stream.reset(); };
  End& at_once = connect();
  at_once.stream.reset();
  ASSERT_TRUE(run_until([&] { return std::ranges::none_of(clients, [](End& end) { return end.stream != nullptr; }); }));
  run_for(10ms);
  EXPECT_EQ(in_connected.received + in_connected.ended + in_connected.failed, 0u);
  EXPECT_EQ(in_data.received, 0u + 4);
  EXPECT_EQ(in_data.ended + in_data.failed, 0);
  EXPECT_EQ(in_drained.drained, 1);
  EXPECT_EQ(in_end.ended, 1);
  EXPECT_EQ(in_failed.failed, 1);
  EXPECT_EQ(at_once.connected + at_once.failed, 0);
}

TEST_P(StreamTest, AStreamDroppedByItsNeighbourHearsNothing) {
  const auto [one, one_server] = make_pair();
  const auto [two, two_server] = make_pair();
  one->at_data = [&, other = two](Buffer) { other->stream.reset(); };
  two->at_data = [&, other = one](Buffer) { other->stream.reset(); };
  one_server->stream->write("x");  // both arrive in one turn
  two_server->stream->write("x");
  run_for(20ms);
  EXPECT_EQ(one->received + two->received, 1u);
  EXPECT_EQ(one->failed + two->failed + one->ended + two->ended, 0);
}

TEST_P(StreamTest, DrainedComesOnceAndLater) {
  const auto [client, server] = make_pair();
  client->stream->want_drained();
  EXPECT_EQ(client->drained, 0);
  ASSERT_TRUE(run_until([&, c = client] { return c->drained == 1; }));
  client->stream->write("x");
  run_for(5ms);
  EXPECT_EQ(client->drained, 1);
  EXPECT_EQ(server->text, "x");
}

TEST_P(StreamTest, WritesOfOneCallbackLeaveInOneSend) {
  const auto [client, server] = make_pair();
  run_for(5ms);
  const auto before = loop->counters();
  for (int i = 0; i < 40; ++i) client->stream->write("0123456789");
  Buffer body = loop->make_buffer(9'000);
  std::memset(body.block(), 'b', 9'000);
  body.set_size(9'000);
  client->stream->write(std::move(body));
  ASSERT_TRUE(run_until([&, s = server] { return s->received == 9'400; }));
  EXPECT_EQ(loop->counters().sends - before.sends, 1u);
}

TEST_P(StreamTest, PingPongCostsOneReceiveAndOneSendPerSide) {
  const auto [client, server] = make_pair();
  int left = 1'000;
  server->at_data = [s = server](Buffer bytes) { s->stream->write(std::move(bytes)); };
  client->at_data = [&, c = client](Buffer bytes) {
    if (--left == 0) return loop->stop();
    c->stream->write(std::move(bytes));
  };
  run_for(5ms);
  const auto before = loop->counters();
  client->stream->write(std::string(128, 'p'));
  loop->run();
  const auto after = loop->counters();
  EXPECT_EQ(after.receives - before.receives, 2'000u);
  EXPECT_EQ(after.sends - before.sends, 2'000u);
  EXPECT_EQ(after.received_bytes - before.received_bytes, 256'000u);
  EXPECT_LE(after.turns - before.turns, 4'010u);
}

TEST_P(StreamTest, LingeringCloseLetsThePeerReadEverything) {
  const auto [client, server] = make_pair();
  client->stream->pause_reading();
  Pump pump(*loop, *client, 400 << 10);  // the server answers without reading all of it
  pump.more();
  server->at_data = [&, s = server](Buffer) {
    s->stream->write(std::string(4 << 20, 'r'));
    s->goodbye(Stream::Goodbye::flush_and_close);
  };
  run_for(30ms);
  client->stream->resume_reading();
  ASSERT_TRUE(run_until([&, c = client] { return c->ended == 1; }));
  EXPECT_EQ(client->received, 4u << 20);
  EXPECT_EQ(client->failed, 0);
  EXPECT_EQ(server->batches, 1);  // nothing after let_go
}

TEST_P(StreamTest, LingeringCloseIsBounded) {
  const auto [client, server] = make_pair();
  Pump pump(*loop, *client, 1 << 30);
  server->goodbye(Stream::Goodbye::flush_and_close);
  pump.more();
  ASSERT_TRUE(run_until([&, c = client] { return c->failed == 1; }));  // ended by the amount
  EXPECT_LT(pump.written, 32u << 20);

  const auto [idle, idle_server] = make_pair();
  idle_server->goodbye(Stream::Goodbye::flush_and_close);
  ASSERT_TRUE(run_until([&, c = idle] { return c->ended == 1; }));
  run_for(2'100ms);  // ended by the time: now the peer's bytes meet a closed socket
  idle->stream->write("x");
  run_for(10ms);
  idle->stream->write("y");
  EXPECT_TRUE(run_until([&, c = idle] { return c->failed == 1; }));
}

TEST_P(StreamTest, KeptBuffersDoNotStarveOthers) {
  constexpr int pairs = 40;
  std::vector<Buffer> kept;
  std::vector<std::pair<End*, End*>> all;
  for (int i = 0; i < pairs; ++i) {
    all.push_back(make_pair());
    all.back().second->at_data = [&](Buffer bytes) { kept.push_back(std::move(bytes)); };
  }
  for (int round = 0; round < 50; ++round) {
    for (auto& [client, server] : all) client->stream->write("keep me");
    ASSERT_TRUE(run_until([&] { return kept.size() >= static_cast<std::size_t>((round + 1) * pairs); }));
  }
  for (const Buffer& buffer : kept) ASSERT_EQ(buffer.view(), "keep me");
  kept.clear();
}

TEST_P(StreamTest, BurstsBeyondTheReceiveBlocksArrive) {
  constexpr int pairs = 30;
  std::vector<std::pair<End*, End*>> all;
  for (int i = 0; i < pairs; ++i) all.push_back(make_pair());
  for (auto& [client, server] : all) client->stream->write(std::string(300'000, 'b'));
  ASSERT_TRUE(
      run_until([&] { return std::ranges::all_of(all, [](auto& p) { return p.second->received == 300'000; }); }));
}

// Connections that come, talk and go in every way, some of them mid-flight. What it shows is that nothing is touched
// after its end (under the address sanitizer) and that every stream that is not dropped hears how it ended.
TEST_P(StreamTest, ChurnWithRandomGoodbyes) {
  constexpr int total = 3'000, at_once = 60;
  Random random(3);
  const auto act = [&random, this](End& end) {
    if (!end.stream) return;
    switch (random.next() % 12) {
      case 0:
        return end.stream.reset();
      case 1:
        return end.goodbye(Stream::Goodbye::abort);
      case 2:
      case 3:
        return end.goodbye(Stream::Goodbye::flush_and_close);
      case 4:
        return end.stream->finish_writing();
      case 5:
        return end.stream->pause_reading();
      case 6:
        return end.stream->resume_reading();
      case 7:
        return end.stream->expect_bytes(random.next() % 200'000);
      case 8:
        return end.stream->want_drained();
      default: {
        Buffer buffer = loop->make_buffer(60'000);
        buffer.set_size(1 + random.next() % 60'000);
        std::memset(buffer.data(), 'c', buffer.size());
        return end.stream->write(std::move(buffer));
      }
    }
  };
  const auto prepare = [&](End& end) {
    end.at_data = [&](Buffer) { act(end); };
    end.at_end = end.at_drained = end.at_connected = [&] { act(end); };
    end.at_failed = [&] { end.stream.reset(); };
  };
  at_accept = prepare;
  struct Driver {
    void drive() {
      step();
      loop.set_timer(timer, 1ms);
    }
    Loop& loop;
    std::function<void()> step;
    Timer timer{Timer::of<&Driver::drive>(this)};
  };
  Driver driver{*loop, [&] {
                  const auto is_open = [](End& end) { return end.stream != nullptr; };
                  for (auto open = std::ranges::count_if(clients, is_open); open < at_once && clients.size() < total;
                       ++open) {
                    prepare(connect());
                  }
                  for (auto* ends : {&clients, &accepted}) {
                    for (End& end : *ends) act(end);
                  }
                }};
  loop->set_timer(driver.timer, 1ms);
  EXPECT_TRUE(run_until(
      [&] {
        return clients.size() >= total && std::ranges::none_of(clients, [](End& end) { return end.stream != nullptr; });
      },
      60s));
  driver.timer.cancel();
  accepted.clear();
  run_for(20ms);
  EXPECT_GT(loop->counters().accepts, std::uint64_t{total} / 2);
}

TEST_P(StreamTest, RandomDataWithRandomPausesIsWhole) {
  constexpr std::size_t total = 20 << 20;
  Random random(1);
  const auto [client, server] = make_pair();
  Pump up(*loop, *client, total), down(*loop, *server, total);
  up.piece = 50'000;
  down.piece = 3'000;
  Check at_server(*server), at_client(*client);
  struct Meddler {
    void meddle() {
      for (End* end : {one, two}) {
        if (!end->stream) continue;
        random.next() % 2 == 0 ? end->stream->pause_reading() : end->stream->resume_reading();
        if (random.next() % 4 == 0) end->stream->expect_bytes(random.next() % (1 << 20));
      }
      loop.set_timer(timer, std::chrono::microseconds(500));
    }
    Loop& loop;
    Random& random;
    End *one, *two;
    Timer timer{Timer::of<&Meddler::meddle>(this)};
  } meddler{*loop, random, client, server};
  loop->set_timer(meddler.timer, 1ms);
  up.more();
  down.more();
  EXPECT_TRUE(run_until([c = client, s = server] { return c->ended == 1 && s->ended == 1; }, 30s));
  EXPECT_EQ(at_server.offset, total);
  EXPECT_EQ(at_client.offset, total);
  EXPECT_TRUE(at_server.is_right && at_client.is_right);
}

}  // namespace
}  // namespace sluice::net
