// A client's connection over a fake stream, before a fake gateway. The client is a session of ours in the other role.
#include "http/h2/server_connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "http/h1/fake_net.h"
#include "http/h1/fake_waist.h"

namespace sluice::http::h2 {
namespace {

using h1::FakeExchange;
using h1::FakeLoop;
using h1::FakeStream;
using h1::FakeWaist;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Goodbye = net::Stream::Goodbye;

struct Asked final : SessionStream {
  std::string body_to_send, head, body;
  bool sends_end = true, is_whole = false, is_closed = false;
  ErrorCode code{};

  Piece next_piece(std::size_t most) override {
    const std::size_t bytes = std::min(most, body_to_send.size());
    return {.bytes = bytes, .is_last = sends_end && bytes == body_to_send.size()};
  }
  void write_piece(net::Stream& out, std::size_t bytes) override {
    out.write(std::string_view(body_to_send).substr(0, bytes));
    body_to_send.erase(0, bytes);
  }
};

class Client final : private SessionEvents {
 public:
  Client(FakeLoop& loop, FakeStream& to, std::uint32_t window = 1 << 20)
      : out_(loop.make_stream()),
        to_(to),
        session_(Session::Role::client, {.stream_window_bytes = window}, memory_, *this) {}

  Asked& ask(std::vector<HeaderField> extra = {}, std::string method = "GET", std::string body = "", bool ends = true) {
    Asked& one = asked.emplace_back();
    one.body_to_send = std::move(body);
    one.sends_end = ends;
    std::vector<HeaderField> fields{{":method", method}, {":scheme", "http"}, {":path", "/a"}, {":authority", "h"}};
    fields.insert(fields.end(), extra.begin(), extra.end());
    EXPECT_TRUE(session_.submit_request(one, fields, !one.body_to_send.empty() || !ends));
    return one;
  }
  void send() {
    EXPECT_TRUE(session_.write(out_, SIZE_MAX));
    to_.give(out_.take_output());
  }
  void receive() {
    const std::string came = to_.take_output();
    if (!came.empty()) ++sends_seen;
    EXPECT_TRUE(session_.receive(came));
  }
  Session& session() { return session_; }
  std::deque<Asked> asked;
  std::vector<std::pair<std::int32_t, ErrorCode>> goaways;
  int sends_seen = 0;
  bool consumes = true;

 private:
  static Asked& ours(SessionStream& stream) { return static_cast<Asked&>(stream); }
  SessionStream* on_open(std::int32_t) override { return nullptr; }
  void on_block_begin(SessionStream&) override {}
  void on_field(SessionStream& stream, std::string_view name, std::string_view value) override {
    ours(stream).head.append(name).append("=").append(value).append(";");
  }
  void on_block_end(SessionStream&, bool) override {}
  void on_data(SessionStream& stream, std::string_view bytes) override {
    ours(stream).body.append(bytes);
    if (!consumes) return;
    session_.consume_connection(bytes.size());
    session_.consume_stream(stream, bytes.size());
  }
  void on_last(SessionStream& stream) override { ours(stream).is_whole = true; }
  void on_malformed(SessionStream&) override { ADD_FAILURE(); }
  void on_closed(SessionStream& stream, ErrorCode code, bool) override {
    ours(stream).is_closed = true;
    ours(stream).code = code;
  }
  void on_sent_last(SessionStream&) override {}
  void on_frame(std::size_t, SessionStream*) override {}
  void on_frame_sent(std::size_t, SessionStream*, bool) override {}
  void on_odd(Oddity) override {}
  void on_goaway(std::int32_t last, ErrorCode code) override { goaways.emplace_back(last, code); }
  void on_settings() override {}

  FakeStream& out_;
  FakeStream& to_;
  SessionMemory memory_;
  Session session_;
};

class Http2ServerTest : public testing::Test {
 protected:
  Http2ServerTest() { waist_.at_begin = h1::say_hello; }
  FakeStream& accept() {
    FakeStream& stream = loop_.make_stream();
    connections_.accept(net::StreamPtr(&stream), {}, 7);
    return stream;
  }
  void round(Client& client) {
    client.send();
    loop_.turn();
    client.receive();
    client.send();
    loop_.turn();
    client.receive();
  }
  FakeExchange& exchange(std::size_t from_end = 0) { return *waist_.exchanges[waist_.exchanges.size() - 1 - from_end]; }

  FakeLoop loop_;
  FakeWaist waist_{loop_};
  ServerCounters counters_;
  h1::ServerSettings times_;
  ServerSettings settings_;
  ServerConnections connections_{waist_, counters_, times_, settings_};
};

TEST_F(Http2ServerTest, AnswersManyInOneSend) {
  FakeStream& stream = accept();
  Client client(loop_, stream);
  round(client);
  client.receive();
  client.sends_seen = 0;
  for (int i = 0; i < 20; ++i) client.ask();
  client.send();
  EXPECT_EQ(stream.output, "") << "nothing leaves before the end of the turn";
  EXPECT_EQ(waist_.requests.size(), 20U);
  loop_.turn();
  client.receive();
  EXPECT_EQ(client.sends_seen, 1);
  for (const Asked& one : client.asked) {
    EXPECT_EQ(one.body, "hello");
    EXPECT_EQ(one.head, ":status=200;content-length=5;");
    EXPECT_TRUE(one.is_whole);
  }
  loop_.turn();
  EXPECT_EQ(counters_.streams_open.value(), 0);
  EXPECT_EQ(counters_.streams.value(), 20U);
}

TEST_F(Http2ServerTest, BodiesArePulledChunkByChunk) {
  waist_.at_begin = h1::echo;
  FakeStream& stream = accept();
  Client client(loop_, stream);
  const std::string body(300'000, 'x');
  client.ask({}, "POST", body);
  for (int i = 0; i < 40; ++i) round(client);
  EXPECT_EQ(exchange().body, body);
  EXPECT_EQ(client.asked[0].body, body);
  EXPECT_TRUE(client.asked[0].is_whole);
}

TEST_F(Http2ServerTest, WhatNobodyPullsIsBoundedAndStopsNobody) {
  waist_.at_begin = h1::do_nothing;
  FakeStream& stream = accept();
  Client client(loop_, stream);
  client.ask({}, "POST", std::string(1'000'000, 'x'));
  for (int i = 0; i < 10; ++i) round(client);
  EXPECT_EQ(client.asked[0].body_to_send.size(), 1'000'000 - settings_.session.stream_window_bytes);
  waist_.at_begin = h1::echo;
  client.ask({}, "POST", std::string(50'000, 'y'));
  for (int i = 0; i < 10; ++i) round(client);
  EXPECT_EQ(client.asked[1].body.size(), 50'000U);
  exchange(1).half->pull_body();  // and it goes on where it stopped
  for (int i = 0; i < 60; ++i) round(client);
  EXPECT_EQ(exchange(1).body.size(), 1'000'000U);
}

TEST_F(Http2ServerTest, AShutWindowHoldsTheAnswerBack) {
  waist_.at_begin = h1::do_nothing;
  FakeStream& stream = accept();
  Client client(loop_, stream, 1000);
  client.consumes = false;
  client.ask();
  round(client);
  FakeExchange& e = exchange();
  ASSERT_TRUE(e.half->send_head(h1::head_of(200, BodySize::unknown)));
  e.half->send_body(std::string(5000, 'x'));
  e.half->want_room();
  round(client);
  EXPECT_EQ(client.asked[0].body.size(), 1000U);
  EXPECT_EQ(e.half->unsent_bytes(), 4000U);
  EXPECT_EQ(e.rooms, 0);
  client.session().consume_stream(client.asked[0], 1000);
  client.session().consume_connection(1000);
  round(client);
  EXPECT_EQ(e.half->unsent_bytes(), 3000U);
  for (int i = 0; i < 40 && e.failures == 0; ++i) loop_.pass(seconds(1));
  EXPECT_EQ(e.failures, 1) << "no window for too long";
  EXPECT_STREQ(e.refusal.cause->code, "client_too_slow");
  round(client);
  EXPECT_TRUE(client.asked[0].is_closed);
  EXPECT_EQ(client.asked[0].code, ErrorCode::cancel);
  EXPECT_EQ(counters_.stalled.value(), 1U);
  EXPECT_EQ(connections_.size(), 1U);
}

TEST_F(Http2ServerTest, AFullSocketPausesAllItsStreams) {
  waist_.at_begin = h1::do_nothing;
  FakeStream& stream = accept();
  Client client(loop_, stream, 1 << 20);
  round(client);
  stream.holds_output = true;
  client.ask();
  round(client);
  FakeExchange& e = exchange();
  ASSERT_TRUE(e.half->send_head(h1::head_of(200, BodySize::unknown)));
  for (int i = 0; i < 30; ++i) e.half->send_body(std::string(10'000, 'x'));
  loop_.turn();
  EXPECT_LE(stream.unsent, 64U * 1024 + 16'393);
  EXPECT_GE(e.half->unsent_bytes(), 200'000U);
  for (int i = 0; i < 70 && e.failures == 0; ++i) loop_.pass(seconds(1));
  EXPECT_EQ(e.failures, 1);
  EXPECT_STREQ(e.refusal.cause->code, "client_too_slow");
  loop_.turn();
  EXPECT_EQ(stream.goodbye, Goodbye::abort);
  EXPECT_EQ(waist_.closed, 1);
  EXPECT_EQ(waist_.last_ticket, 7U);
}

TEST_F(Http2ServerTest, D02ABodyThatDoesNotComeTimesOut) {
  waist_.at_begin = h1::echo;
  FakeStream& stream = accept();
  Client client(loop_, stream);
  client.ask({}, "POST", "abc", false);
  round(client);
  exchange().at_failure = [](FakeExchange& e) { e.answer("slow", 408); };
  for (int i = 0; i < 7; ++i) loop_.pass(seconds(1));
  EXPECT_EQ(exchange().failures, 1);
  EXPECT_STREQ(exchange().refusal.cause->code, "request_body_timeout");
  round(client);
  EXPECT_EQ(client.asked[0].body, "slow");
  EXPECT_TRUE(client.asked[0].is_closed) << "the rest of the body is not wanted";
  EXPECT_EQ(client.asked[0].code, ErrorCode::no_error);
}

TEST_F(Http2ServerTest, AResetIsToldAtOnceAndFreesTheStream) {
  waist_.at_begin = h1::do_nothing;
  FakeStream& stream = accept();
  Client client(loop_, stream);
  client.ask();
  round(client);
  client.session().reset(client.asked[0], ErrorCode::cancel);
  client.send();
  EXPECT_EQ(exchange().failures, 1);
  EXPECT_STREQ(exchange().refusal.cause->code, "client_closed");
  loop_.turn();
  EXPECT_EQ(counters_.streams_open.value(), 0);
  EXPECT_EQ(counters_.oddities[static_cast<std::size_t>(Oddity::client_reset)].value(), 1U);
}

TEST_F(Http2ServerTest, AnAnswerCutShortIsAReset) {
  waist_.at_begin = h1::do_nothing;
  FakeStream& stream = accept();
  Client client(loop_, stream);
  client.ask();
  client.ask();
  round(client);
  ASSERT_TRUE(exchange(1).half->send_head(h1::head_of(200, 10)));
  exchange(1).half->send_body("abc");
  exchange(1).half->send_end(nullptr);  // seven bytes short
  ASSERT_TRUE(exchange().half->send_head(h1::head_of(200, 3)));
  exchange().half->send_body("abcdef");  // three too many
  exchange().half->send_end(nullptr);
  round(client);
  EXPECT_FALSE(client.asked[0].is_whole);
  EXPECT_EQ(client.asked[0].code, ErrorCode::internal_error);
  EXPECT_EQ(client.asked[1].body, "abc");
  EXPECT_TRUE(client.asked[1].is_whole);
}

TEST_F(Http2ServerTest, S26WhatWouldBreakALineIsNotSent) {
  bool was_sent = true;
  waist_.at_begin = [&](FakeExchange& e, const Request&) {
    ResponseHead head = h1::head_of(200, 0);
    head.fields.add(e.half->arena(), "x-a", "a long enough value\r\nx-b: c");
    was_sent = e.half->send_head(head);
    return true;
  };
  FakeStream& stream = accept();
  Client client(loop_, stream);
  client.ask();
  round(client);
  EXPECT_FALSE(was_sent);
  EXPECT_EQ(client.asked[0].code, ErrorCode::internal_error);
}

TEST_F(Http2ServerTest, H12GoawayInTwoSteps) {
  waist_.at_begin = h1::do_nothing;
  FakeStream& stream = accept();
  Client client(loop_, stream);
  client.ask();
  round(client);
  connections_.announce_drain();
  round(client);
  ASSERT_EQ(client.goaways.size(), 1U);
  EXPECT_EQ(client.goaways[0].first, 0x7fffffff);
  connections_.drain();
  round(client);
  ASSERT_EQ(client.goaways.size(), 2U);
  EXPECT_EQ(client.goaways[1].first, 1);
  EXPECT_EQ(connections_.size(), 1U);
  exchange().answer("bye");
  loop_.turn();
  client.receive();
  EXPECT_EQ(client.asked[0].body, "bye");
  loop_.turn();
  EXPECT_EQ(stream.goodbye, Goodbye::flush_and_close);
  EXPECT_EQ(connections_.size(), 0U);
}

TEST_F(Http2ServerTest, IdleConnectionsCloseInTimeAndWhenRoomIsNeeded) {
  FakeStream& stream = accept();
  Client client(loop_, stream);
  client.ask();
  round(client);
  loop_.pass(seconds(59));
  loop_.turn();
  EXPECT_FALSE(stream.is_gone());
  std::vector<IdleConnection> idle;
  connections_.find_idle(idle);
  ASSERT_EQ(idle.size(), 1U);
  loop_.pass(seconds(2));
  loop_.turn();
  client.receive();
  EXPECT_EQ(client.goaways.size(), 1U);
  EXPECT_TRUE(stream.is_gone());
  FakeStream& other = accept();
  idle.clear();
  connections_.find_idle(idle);
  ASSERT_EQ(idle.size(), 1U);
  idle[0].connection->close_if_idle();
  loop_.turn();
  EXPECT_TRUE(other.is_gone());
  EXPECT_EQ(waist_.closed, 2);
}

TEST_F(Http2ServerTest, TheConnectionsEndIsTheEndOfItsExchanges) {
  waist_.at_begin = h1::do_nothing;
  FakeStream& lost = accept();
  Client client(loop_, lost);
  client.ask();
  client.ask();
  client.send();
  lost.fail();
  EXPECT_EQ(exchange(0).failures + exchange(1).failures, 2);
  FakeStream& cut = accept();
  Client other(loop_, cut);
  other.ask();
  other.send();
  connections_.close_all();
  EXPECT_EQ(exchange().failures, 1);
  loop_.turn();
  EXPECT_EQ(connections_.size(), 0U);
  EXPECT_EQ(waist_.closed, 2);
}

TEST_F(Http2ServerTest, AHalfClosedClientGetsItsAnswer) {
  waist_.at_begin = h1::do_nothing;
  FakeStream& stream = accept();
  Client client(loop_, stream);
  client.ask();
  client.send();
  stream.give_end();
  loop_.turn();
  EXPECT_FALSE(stream.is_gone());
  exchange().answer("bye");
  loop_.turn();
  client.receive();
  EXPECT_EQ(client.asked[0].body, "bye");
  EXPECT_TRUE(stream.is_gone());
}

TEST_F(Http2ServerTest, AHalfClosedClientWithoutItsWholeBodyIsGone) {
  waist_.at_begin = h1::echo;
  FakeStream& stream = accept();
  Client client(loop_, stream);
  client.ask({}, "POST", "abc", false);
  client.send();
  stream.give_end();
  EXPECT_EQ(exchange().failures, 1);
  EXPECT_STREQ(exchange().refusal.cause->code, "client_closed");
  loop_.turn();
  EXPECT_TRUE(stream.is_gone());
  EXPECT_EQ(connections_.size(), 0U);
  EXPECT_EQ(counters_.streams_open.value(), 0);
}

TEST_F(Http2ServerTest, TheBudgetOfOddFrames) {
  waist_.at_begin = h1::do_nothing;
  settings_.glitches = 100;
  connections_.change_settings(times_, settings_);
  FakeStream& stream = accept();
  Client client(loop_, stream);
  round(client);
  const auto reset_one = [&] {
    Asked& one = client.ask();
    client.send();
    client.session().reset(one, ErrorCode::cancel);
    round(client);
  };
  // A few points went for the settings' frames.
  for (int i = 0; i < 19; ++i) reset_one();
  EXPECT_TRUE(client.goaways.empty());
  reset_one();
  reset_one();
  ASSERT_EQ(client.goaways.size(), 1U);
  EXPECT_EQ(client.goaways[0].second, ErrorCode::enhance_your_calm);
  EXPECT_EQ(counters_.calmed.value(), 1U);
  loop_.turn();
  EXPECT_EQ(connections_.size(), 0U);
}

}  // namespace

TEST(Glitches, ComeBackWithTimeAndWork) {
  const Instant start{};
  Glitches glitches(100, start);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(glitches.spend(Oddity::control_frame, start));
  EXPECT_FALSE(glitches.spend(Oddity::control_frame, start));
  EXPECT_TRUE(glitches.spend(Oddity::control_frame, start + seconds(1)));
  Glitches busy(100, start);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(busy.spend(Oddity::window_update, start));
    busy.earn(Glitches::for_data);
  }
}

TEST(SessionMemory, CountsAndKeeps) {
  SessionMemory memory;
  std::size_t held = 0;
  void* const small = memory.allocate(100, held);
  EXPECT_EQ(held, 128U);
  memory.give_back(small, held);
  EXPECT_EQ(held, 0U);
  EXPECT_EQ(memory.allocate(65, held), small) << "the same block again";
  void* const large = memory.reallocate(small, 100'000, held);
  EXPECT_EQ(held, 100'000U);
  memory.give_back(large, held);
  EXPECT_EQ(memory.allocate(0, held), nullptr);
  EXPECT_EQ(memory.held_bytes(), 0U);
}

}  // namespace sluice::http::h2
