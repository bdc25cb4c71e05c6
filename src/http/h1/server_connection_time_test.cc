// What a client may keep us waiting for, under a clock that the test moves.
#include "http/h1/server_connection_fixture.h"

namespace sluice::http::h1 {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::StartsWith;
using Goodbye = net::Stream::Goodbye;

TEST_F(ServerConnectionTest, D01TheHeadTimeoutIsNotProlongedByTrickling) {
  FakeStream& stream = accept();
  loop_.pass(seconds(30));
  for (int i = 0; i < 9; ++i) {
    stream.give(get.substr(static_cast<std::size_t>(i), 1));
    loop_.pass(seconds(1));
  }
  EXPECT_FALSE(stream.is_gone());
  loop_.pass(milliseconds(1100));
  EXPECT_THAT(waist_.refusals, ElementsAre("request_header_timeout"));
  EXPECT_THAT(stream.output, StartsWith("HTTP/1.1 408"));
  EXPECT_EQ(stream.goodbye, Goodbye::flush_and_close);
}

TEST_F(ServerConnectionTest, AnIdleConnectionClosesSilently) {
  FakeStream& fresh = accept();
  loop_.pass(seconds(59));
  EXPECT_FALSE(fresh.is_gone());
  fresh.give(get);
  fresh.take_output();
  loop_.pass(seconds(59));
  EXPECT_FALSE(fresh.is_gone()) << "the exchange began the time anew";
  loop_.pass(seconds(2));
  EXPECT_TRUE(fresh.is_gone());
  EXPECT_EQ(fresh.output, "");
  FakeStream& blank = accept();
  blank.give("\r\n");
  loop_.pass(seconds(11));
  EXPECT_TRUE(blank.is_gone());
  EXPECT_EQ(blank.output, "");
  EXPECT_TRUE(waist_.refusals.empty());
}

TEST_F(ServerConnectionTest, D01TheHeadDeadlineItself) {
  FakeStream& in_time = accept();
  in_time.give(get.substr(0, 5));
  loop_.pass(milliseconds(9990));
  in_time.give(get.substr(5));
  EXPECT_THAT(in_time.output, StartsWith("HTTP/1.1 200"));
  FakeStream& late = accept();
  late.give(get.substr(0, 5));
  loop_.pass(milliseconds(10'002));
  late.give(get.substr(5));
  EXPECT_THAT(late.output, StartsWith("HTTP/1.1 408"));
}

TEST_F(ServerConnectionTest, NoTimerIsSetPerRequest) {
  FakeStream& stream = accept();
  const std::size_t before = loop_.timers_set;
  for (int i = 0; i < 1000; ++i) stream.give(get);
  EXPECT_EQ(loop_.timers_set, before);
}

TEST_F(ServerConnectionTest, D02ABodyThatStallsOrTricklesTimesOut) {
  waist_.at_begin = echo;
  FakeStream& stalled = accept();
  stalled.give(post);
  FakeExchange& first = exchange();
  first.at_failure = [](FakeExchange& e) { e.answer("slow", 408); };
  loop_.pass(milliseconds(4900));
  EXPECT_EQ(first.failures, 0);
  loop_.pass(milliseconds(200));
  EXPECT_EQ(first.failures, 1);
  EXPECT_STREQ(first.refusal.cause->code, "request_body_timeout");
  EXPECT_THAT(stalled.output, StartsWith("HTTP/1.1 408"));

  FakeStream& trickling = accept();
  trickling.give("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
  FakeExchange& second = exchange();
  for (int i = 0; i < 10 && second.failures == 0; ++i) {
    trickling.give("x");
    loop_.pass(seconds(1));
  }
  EXPECT_EQ(second.failures, 1);

  FakeStream& steady = accept();
  steady.give("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
  FakeExchange& third = exchange();
  for (int i = 0; i < 100; ++i) {
    steady.give(std::string(300, 'x'));
    loop_.pass(seconds(1));
  }
  EXPECT_EQ(third.failures, 0);
  loop_.pass(seconds(60));
  EXPECT_EQ(third.failures, 1) << "what it earned does not outlast client_idle_timeout";
}

TEST_F(ServerConnectionTest, TimeTheGatewayTakesIsNotHeldAgainstTheClient) {
  waist_.at_begin = do_nothing;
  FakeStream& stream = accept();
  stream.give(post);
  loop_.pass(seconds(600));
  EXPECT_EQ(exchange().failures, 0);
  exchange().half->pull_body();
  loop_.pass(seconds(4));
  EXPECT_EQ(exchange().failures, 0);
  stream.give("12345");
  EXPECT_EQ(exchange().body, "12345");
}

TEST_F(ServerConnectionTest, D02AQuickStartBuysNoHoldOfAnHour) {
  waist_.at_begin = echo;
  FakeStream& stream = accept();
  stream.give("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n");
  for (int i = 0; i < 100; ++i) stream.give(std::string(10'000, 'x'));
  int waited = 0;
  for (; waited < 600 && exchange().failures == 0; ++waited) {
    stream.give("x");
    loop_.pass(seconds(1));
  }
  EXPECT_GE(waited, 59);
  EXPECT_LE(waited, 66);
  EXPECT_STREQ(exchange().refusal.cause->code, "request_body_timeout");
}

// ---- who takes an answer slowly

class SlowReaderTest : public ServerConnectionTest {
 protected:
  // A client in the middle of an answer, with `bytes` of it unsent.
  FakeExchange& begin(std::size_t bytes) {
    waist_.at_begin = do_nothing;
    stream_ = &accept();
    stream_->holds_output = true;
    stream_->give(get);
    EXPECT_TRUE(exchange().half->send_head(head_of(200, BodySize::unknown)));
    exchange().half->send_body(std::string(bytes, 'x'));
    exchange().half->want_room();
    return exchange();
  }
  // The client takes `bytes` every second for `time`. Returns the seconds until it is given up, or all.
  int take(std::size_t bytes, int time) {
    for (int second = 0; second < time; ++second) {
      if (exchange().failures > 0) return second;
      stream_->unsent -= std::min(bytes, stream_->unsent);
      loop_.pass(seconds(1));
    }
    return time;
  }
  FakeStream* stream_ = nullptr;
};

TEST_F(SlowReaderTest, D02AClientThatTakesNothingTimesOut) {
  FakeExchange& e = begin(1000);
  loop_.pass(milliseconds(4900));
  EXPECT_EQ(e.failures, 0);
  loop_.pass(milliseconds(200));
  EXPECT_EQ(e.failures, 1);
  EXPECT_STREQ(e.refusal.cause->code, "client_too_slow");
  EXPECT_EQ(stream_->goodbye, Goodbye::abort);
}

TEST_F(SlowReaderTest, D02AtTheLeastRateItIsServedAndBelowItIsNot) {
  begin(1'000'000);
  EXPECT_EQ(take(241, 600), 600);
  begin(1'000'000);
  EXPECT_LT(take(200, 600), 60);
  EXPECT_STREQ(exchange().refusal.cause->code, "client_too_slow");
  begin(1'000'000);
  EXPECT_LE(take(1, 600), 7) << "a trickle";
}

TEST_F(SlowReaderTest, D02WhatItTookQuicklyBuysTheIdleTimeoutAndNoMore) {
  begin(10'000'000);
  EXPECT_EQ(take(100'000, 20), 20);
  const int held = take(1, 600);
  EXPECT_GE(held, 59);
  EXPECT_LE(held, 66);
}

TEST_F(SlowReaderTest, WhatLiesInTheKernelIsNotTaken) {
  begin(1000);
  stream_->unacknowledged = stream_->output.size();
  EXPECT_LE(take(1000, 600), 7) << "the kernel took it all, the client nothing";
}

class PipelinedSlowReaderTest : public SlowReaderTest {
 protected:
  // As begin(), with 40,000 bytes of an earlier answer in the kernel.
  FakeExchange& begin_behind_another() {
    waist_.at_begin = do_nothing;
    stream_ = &accept();
    stream_->unacknowledged = 40'000;
    stream_->holds_output = true;
    stream_->give(get);
    EXPECT_TRUE(exchange().half->send_head(head_of(200, BodySize::unknown)));
    exchange().half->send_body(std::string(1000, 'x'));
    exchange().half->want_room();
    return exchange();
  }
};

TEST_F(PipelinedSlowReaderTest, TakingAnEarlierAnswerIsTakingToo) {
  FakeExchange& e = begin_behind_another();
  for (; stream_->unacknowledged > 0; stream_->unacknowledged -= 2000) EXPECT_EQ(take(0, 1), 1);
  EXPECT_EQ(e.failures, 0);
}

TEST_F(PipelinedSlowReaderTest, D02NotTakingAnEarlierAnswerIsNot) {
  FakeExchange& e = begin_behind_another();
  loop_.pass(milliseconds(4900));
  EXPECT_EQ(e.failures, 0);
  loop_.pass(milliseconds(200));
  EXPECT_EQ(e.failures, 1);
}

TEST_F(SlowReaderTest, NoTimerIsSetForEachWait) {
  FakeExchange& e = begin(1000);
  const std::size_t before = loop_.timers_set;
  for (int i = 0; i < 1000; ++i) {
    stream_->unsent = 0;
    loop_.turn();
    e.half->send_body(std::string(1000, 'x'));
    e.half->want_room();
    loop_.pass(milliseconds(1));
  }
  EXPECT_EQ(e.rooms, 1000);
  EXPECT_LE(loop_.timers_set, before + 2);
}

}  // namespace
}  // namespace sluice::http::h1
