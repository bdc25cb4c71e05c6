// Under a loop whose clock, memory and posted notes are the test's.
#include "gateway/overload.h"

#include <gtest/gtest.h>

#include <string_view>

#include "gateway/causes.h"
#include "gateway/door.h"
#include "http/h1/fake_net.h"

namespace sluice::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::int64_t budget = 100 << 20;

class OverloadTest : public testing::Test {
 protected:
  OverloadTest() {
    overload_.adopt({.requests = 10, .normal_requests = 9, .loop_lag = milliseconds(100), .memory_bytes = budget});
  }

  // A request begins and ends at once. Whether it was served.
  bool ask(bool is_critical = false) {
    const bool is_pressed = overload_.is_pressed();
    metrics_.requests_in_flight.add();
    const bool is_served = !is_pressed || overload_.why_refused(is_critical) == nullptr;
    metrics_.requests_in_flight.subtract();
    return is_served;
  }
  void fill(int percent) {
    loop_.lent = static_cast<std::uint64_t>(budget / 100 * percent - Arena::held_bytes());
    loop_.pass(milliseconds(1));
  }
  // Requests come every 10 ms for `time`; each event waits for `lag`. The shares of requests served.
  void live(Duration time, Duration lag) {
    for (const Instant end = loop_.now() + time; loop_.now() < end;) {
      ask();
      if (loop_.posted.empty()) {
        loop_.pass(milliseconds(10));
      } else {
        loop_.pass(lag);
        loop_.posted.front()();
        loop_.posted.pop_front();
      }
    }
  }

  http::h1::FakeLoop loop_;
  CauseTable causes_{std::initializer_list<std::span<const Cause* const>>{causes()}};
  WorkerMetrics metrics_{causes_};
  int idle_closed_ = 0;
  Overload overload_{loop_, metrics_, [this] { ++idle_closed_; }};
};

TEST_F(OverloadTest, R09StagesOfMemory) {
  fill(84);
  EXPECT_TRUE(ask());
  fill(85);
  EXPECT_FALSE(ask());
  EXPECT_FALSE(ask(true)) << "memory is not there for critical routes either";
  EXPECT_EQ(metrics_.shed_for_memory.value(), 2u);
  EXPECT_EQ(idle_closed_, 0);
  fill(95);
  EXPECT_FALSE(ask());
  EXPECT_EQ(idle_closed_, 1);
  EXPECT_FALSE(loop_.is_accepting_paused);
  fill(98);
  EXPECT_FALSE(ask());
  EXPECT_TRUE(loop_.is_accepting_paused);
  EXPECT_EQ(metrics_.is_accept_paused.value(), 1);
  EXPECT_EQ(metrics_.accept_pauses.value(), 1u);
  fill(99);
  EXPECT_FALSE(overload_.weigh());
  fill(100);
  EXPECT_TRUE(overload_.weigh());
}

TEST_F(OverloadTest, R09ItEndsByItselfAndNotAtOnce) {
  fill(98);
  EXPECT_FALSE(overload_.weigh());
  EXPECT_TRUE(loop_.is_accepting_paused);
  fill(94);
  loop_.pass(milliseconds(60));
  EXPECT_TRUE(loop_.is_accepting_paused) << "from 98 % down to 93 %";
  fill(92);
  loop_.pass(milliseconds(60));
  EXPECT_FALSE(loop_.is_accepting_paused) << "though no request and no connection came";
  EXPECT_FALSE(ask());
  fill(81);
  EXPECT_FALSE(ask());
  fill(79);
  EXPECT_TRUE(ask());
  loop_.pass(milliseconds(120));
  EXPECT_EQ(metrics_.is_shedding.value(), 0);
  const std::size_t before = loop_.timers_set;
  loop_.pass(seconds(10));
  EXPECT_EQ(loop_.timers_set, before) << "nothing ticks when all is well";
}

TEST_F(OverloadTest, ConnectionsAndRequestsCountAsMemory) {
  const std::int64_t before = overload_.memory_bytes();
  metrics_.connections_open.add(1000);
  Arena arena;
  arena.allocate_bytes(100'000);
  EXPECT_GE(overload_.memory_bytes() - before, 1000 * Overload::connection_bytes + 100'000);
  arena.release_all();
  EXPECT_EQ(overload_.memory_bytes() - before, 1000 * Overload::connection_bytes);
}

TEST_F(OverloadTest, R08RequestsInProgressAtTheLimitAndOnePastIt) {
  metrics_.requests_in_flight.add(8);
  EXPECT_TRUE(ask());
  metrics_.requests_in_flight.add();
  EXPECT_FALSE(ask()) << "the tenth of ten is kept for critical routes";
  EXPECT_TRUE(ask(true));
  metrics_.requests_in_flight.add();
  EXPECT_FALSE(ask(true));
  EXPECT_EQ(metrics_.shed_for_requests.value(), 2u);
}

TEST_F(OverloadTest, R08ALagMustLastBeforeItCounts) {
  live(milliseconds(900), milliseconds(150));
  EXPECT_TRUE(ask()) << "not yet a second";
  live(seconds(1), milliseconds(150));
  EXPECT_FALSE(ask());
  EXPECT_TRUE(ask(true));
  EXPECT_GT(metrics_.shed_for_lag.value(), 0u);
  EXPECT_EQ(metrics_.loop_lag_ns.value(), 150'000'000);
  live(milliseconds(500), milliseconds(60));
  EXPECT_FALSE(ask()) << "less than the limit, more than half of it";
  live(milliseconds(500), milliseconds(40));
  EXPECT_TRUE(ask());
}

TEST_F(OverloadTest, R08CriticalRoutesAreShedLast) {
  live(seconds(3), milliseconds(399));
  EXPECT_FALSE(ask());
  EXPECT_TRUE(ask(true));
  live(seconds(3), milliseconds(401));
  EXPECT_FALSE(ask(true));
}

TEST_F(OverloadTest, ALongTurnNowAndThenIsNoOverload) {
  for (int i = 0; i < 20; ++i) {
    live(milliseconds(500), milliseconds(450));
    live(milliseconds(30), milliseconds(1));
  }
  EXPECT_EQ(metrics_.shed_for_lag.value(), 0u);
}

TEST_F(OverloadTest, WhatWasMeasuredLongAgoIsForgotten) {
  live(seconds(3), milliseconds(150));
  EXPECT_FALSE(ask());
  for (auto& note : loop_.posted) note();
  loop_.posted.clear();
  loop_.pass(seconds(5));
  EXPECT_TRUE(ask()) << "the first request after a pause";
}

TEST_F(OverloadTest, NotesAreFewAndNoneWithoutRequests) {
  std::size_t notes = 0;
  for (int i = 0; i < 1000; ++i) {
    loop_.pass(milliseconds(1));
    ask(), ask(), ask();
    notes += loop_.posted.size();
    for (auto& note : loop_.posted) note();
    loop_.posted.clear();
  }
  EXPECT_LE(notes, 51u);
  EXPECT_GE(notes, 45u);
  loop_.pass(seconds(10));
  EXPECT_TRUE(loop_.posted.empty());
}

// ---- the door

class DoorTest : public testing::Test {
 protected:
  DoorTest() { caps_.exempt.clear(); }
  bool knock(const char* ip = "192.0.2.1") {
    http::h1::FakeStream& stream = loop_.make_stream();
    stream.address = net::Address::parse_ip(ip).value();
    return keep(door_.let_in(net::StreamPtr(&stream), false, caps_, counts_, ticket_));
  }
  bool keep(net::StreamPtr stream) {
    if (!stream) return false;
    metrics_.connection_opened();
    streams_.push_back(std::move(stream));
    return true;
  }

  http::h1::FakeLoop loop_;
  CauseTable causes_{std::initializer_list<std::span<const Cause* const>>{causes()}};
  WorkerMetrics metrics_{causes_};
  std::vector<std::size_t> room_;  // what make_room was asked for
  std::function<void()> at_room_;
  Door door_{loop_, metrics_, causes_, [this](std::size_t count) {
               room_.push_back(count);
               if (at_room_) at_room_();
             }};
  ConnectionCaps caps_{.all = 20, .per_client = 0, .exempt = {}};
  ClientConnections counts_{7};
  ClientConnections::Ticket ticket_ = 0;
  std::vector<net::StreamPtr> streams_;
};

TEST_F(DoorTest, D03TheLastPlaceIsGivenAndTheNextIsRefused) {
  for (int i = 0; i < 19; ++i) EXPECT_TRUE(knock());
  EXPECT_TRUE(room_.empty());
  EXPECT_TRUE(knock()) << "the twentieth";
  EXPECT_EQ(room_, std::vector<std::size_t>{1}) << "from 95 % on room is made";
  EXPECT_FALSE(knock());
  const http::h1::FakeStream& refused = loop_.last_stream();
  EXPECT_TRUE(refused.output.starts_with("HTTP/1.1 503 ")) << refused.output;
  for (const char* const part : {"retry-after: 1\r\n", "connection: close\r\n", "application/problem+json",
                                 R"("cause":"connections_exceeded"})"})
    EXPECT_NE(refused.output.find(part), std::string::npos) << part << " in " << refused.output;
  EXPECT_EQ(refused.goodbye, net::Stream::Goodbye::flush_and_close);
  EXPECT_EQ(metrics_.refused_connections.value(), 1u);
  EXPECT_EQ(metrics_.causes[causes_.index_of(&connections_exceeded)].value(), 1u);
}

TEST_F(DoorTest, D03RoomThatIsMadeIsTaken) {
  at_room_ = [this] {
    counts_.leave(0);
    metrics_.connection_closed();
  };
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(knock());
  EXPECT_EQ(counts_.open(), 19u);
}

TEST_F(DoorTest, D03OneClientIsToldThatItIsItself) {
  caps_.per_client = 2;
  EXPECT_TRUE(knock("198.51.100.1") && knock("198.51.100.1"));
  EXPECT_FALSE(knock("198.51.100.1"));
  EXPECT_NE(loop_.last_stream().output.find("client_connections_exceeded"), std::string::npos);
  EXPECT_EQ(metrics_.refused_client_connections.value(), 1u);
  EXPECT_TRUE(knock("198.51.100.2"));
}

TEST_F(DoorTest, AFloodIsResetWithoutAWord) {
  caps_.all = 1;
  EXPECT_TRUE(knock());
  loop_.leaves = Door::most_goodbyes - 1;
  EXPECT_FALSE(knock());
  EXPECT_NE(loop_.last_stream().output, "");
  loop_.leaves = Door::most_goodbyes;
  EXPECT_FALSE(knock());
  EXPECT_EQ(loop_.last_stream().output, "");
  EXPECT_EQ(loop_.last_stream().goodbye, net::Stream::Goodbye::abort);
}

}  // namespace
}  // namespace sluice::gateway
