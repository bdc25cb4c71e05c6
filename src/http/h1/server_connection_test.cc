#include "http/h1/server_connection_fixture.h"

namespace sluice::http::h1 {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Goodbye = net::Stream::Goodbye;

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

TEST_F(ServerConnectionTest, AnIdleConnectionIsSmall) { EXPECT_LE(sizeof(ServerConnection), 300U); }

TEST_F(ServerConnectionTest, AnswersAndWaitsForTheNextRequest) {
  FakeStream& stream = accept();
  for (int i = 0; i < 3; ++i) {
    stream.give(get);
    EXPECT_EQ(stream.take_output(), "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
  }
  EXPECT_EQ(waist_.requests.size(), 3U);
  EXPECT_EQ(connections_.size(), 1U);
  stream.give_end();
  EXPECT_TRUE(stream.is_gone());
  EXPECT_EQ(stream.goodbye, Goodbye::flush_and_close);
  EXPECT_EQ(connections_.size(), 0U);
  EXPECT_EQ(waist_.closed, 1);
}

TEST_F(ServerConnectionTest, S23AThousandPipelinedRequestsAreALoop) {
  FakeStream& stream = accept();
  std::string input;
  for (int i = 0; i < 1000; ++i) input += get;
  stream.give(input);
  loop_.turn();
  EXPECT_EQ(waist_.requests.size(), 1000U);
  EXPECT_EQ(count(stream.output, "HTTP/1.1 200 OK"), 1000U);
  EXPECT_EQ(waist_.deepest, 1);
}

TEST_F(ServerConnectionTest, PipelinedRequestsWaitForTheAnswerBeforeThem) {
  waist_.at_begin = do_nothing;
  FakeStream& stream = accept();
  stream.give(std::string(get) + std::string(post) + "12345" + std::string(get));
  ASSERT_EQ(waist_.requests.size(), 1U);
  exchange().answer("one");
  EXPECT_EQ(waist_.requests.size(), 1U) << "the next begins from the loop, not inside the gateway's call";
  loop_.turn();
  ASSERT_EQ(waist_.requests.size(), 2U);
  exchange().half->pull_body();
  EXPECT_EQ(exchange().body, "12345");
  exchange().answer("two");
  loop_.turn();
  ASSERT_EQ(waist_.requests.size(), 3U);
  EXPECT_EQ(count(stream.output, "HTTP/1.1 200"), 2U);
}

TEST_F(ServerConnectionTest, AClientThatReadsNothingGetsNoEndlessAnswers) {
  waist_.at_begin = [](FakeExchange& exchange, const Request&) {
    exchange.answer(std::string(10'000, 'x'));
    return true;
  };
  FakeStream& stream = accept();
  stream.holds_output = true;
  std::string input;
  for (int i = 0; i < 1000; ++i) input += get;
  stream.give(input);
  loop_.turn();
  EXPECT_LT(stream.unsent, 100'000U);
  const std::size_t begun = waist_.requests.size();
  stream.holds_output = false;
  loop_.turn();
  EXPECT_GT(waist_.requests.size(), begun);
  stream.holds_output = true;
  loop_.turn();
  loop_.pass(seconds(61));
  EXPECT_TRUE(stream.is_gone());
}

TEST_F(ServerConnectionTest, ReadingPausesWhileMuchWaits) {
  waist_.at_begin = do_nothing;
  FakeStream& stream = accept();
  stream.give(get);
  stream.give(std::string(get) + std::string(4000, ' '));
  EXPECT_FALSE(stream.is_paused);
  stream.give(std::string(5000, 'x'));
  EXPECT_TRUE(stream.is_paused);
}

TEST_F(ServerConnectionTest, SinglePipelinedBytesHoldOneBlock) {
  waist_.at_begin = do_nothing;
  FakeStream& stream = accept();
  stream.tail_room = 4096;
  stream.give(get);
  for (int i = 0; i < 500; ++i) stream.give("x");
  EXPECT_FALSE(stream.is_paused);
  EXPECT_FALSE(stream.is_gone());
}

TEST_F(ServerConnectionTest, ABodyComesChunkByChunkForCredit) {
  waist_.at_begin = do_nothing;
  FakeStream& stream = accept();
  stream.give(post);
  FakeExchange& e = exchange();
  e.pulls = false;
  stream.give("12");
  stream.give("34");
  EXPECT_EQ(e.chunks, 0);
  e.half->pull_body();
  EXPECT_EQ(e.chunks, 1);
  while (e.body.size() < 4) e.half->pull_body();
  e.half->pull_body();
  EXPECT_EQ(e.body, "1234");
  stream.give("5");
  EXPECT_EQ(e.body, "12345");
  EXPECT_EQ(e.ends, 0) << "the end needs credit as well";
  e.half->pull_body();
  EXPECT_EQ(e.ends, 1);
  EXPECT_EQ(e.half->received_bytes(), post.size() + 5);
  e.answer("ok");
  stream.give(get);
  EXPECT_EQ(waist_.requests.size(), 2U);
}

TEST_F(ServerConnectionTest, EveryCutOfEveryRequestGivesTheSame) {
  const std::string all = std::string(get) + std::string(post) + "hello" + std::string(chunked_post) +
                          "3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\nx-sum: 1\r\n\r\n" + "\r\n" + std::string(get);
  const auto play = [&](auto feed) {
    waist_.requests.clear();
    waist_.exchanges.clear();
    FakeStream& stream = accept();
    feed(stream);
    loop_.turn();
    std::string bodies;
    for (const auto& e : waist_.exchanges) bodies += e->body + "/" + e->trailers + "/";
    std::string seen = stream.take_output() + bodies;
    for (const std::string& line : waist_.requests) seen += line;
    return seen;
  };
  waist_.at_begin = echo;
  const std::string whole = play([&](FakeStream& stream) { stream.give(all); });
  EXPECT_EQ(count(whole, "HTTP/1.1 200 OK"), 4U);
  EXPECT_THAT(whole, HasSubstr("abcdefgh/x-sum=1;/"));
  for (std::size_t cut = 1; cut < all.size(); ++cut) {
    ASSERT_EQ(whole, play([&](FakeStream& stream) {
                stream.give(all.substr(0, cut));
                stream.give(all.substr(cut));
              }))
        << "cut at " << cut;
  }
  EXPECT_EQ(whole, play([&](FakeStream& stream) {
              for (const char c : all) stream.give({&c, 1});
            }));
}

TEST_F(ServerConnectionTest, TheNextRequestBehindALargeBodyIsKept) {
  waist_.at_begin = echo;
  const std::string body(150'000, 'b');
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 150000\r\n\r\n";
  std::string tail;
  while (tail.size() < 80'000) tail += get;
  FakeStream& stream = accept();
  stream.give(head);
  EXPECT_EQ(stream.expected_bytes, 150'000U);
  stream.give(body + tail);
  loop_.turn();
  EXPECT_EQ(waist_.exchanges.front()->body, body);
  EXPECT_EQ(waist_.requests.size(), 1 + tail.size() / get.size());
}

TEST_F(ServerConnectionTest, UnknownLengthIsChunkedFor11AndUntilCloseFor10) {
  waist_.at_begin = [](FakeExchange& e, const Request&) {
    EXPECT_TRUE(e.half->send_head(head_of(200, BodySize::unknown)));
    e.half->send_body("abc");
    net::Buffer buffer;
    e.half->send_end(nullptr);
    return true;
  };
  FakeStream& stream = accept();
  stream.give(get);
  EXPECT_THAT(stream.output, HasSubstr("transfer-encoding: chunked"));
  EXPECT_THAT(stream.take_output(), EndsWith("\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
  EXPECT_FALSE(stream.is_gone());
  FakeStream& old = accept();
  old.give("GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(old.output, Not(HasSubstr("transfer-encoding")));
  EXPECT_THAT(old.output, HasSubstr("connection: close"));
  EXPECT_THAT(old.output, EndsWith("\r\n\r\nabc"));
  EXPECT_EQ(old.goodbye, Goodbye::flush_and_close);
}

TEST_F(ServerConnectionTest, Http10KeepsAliveOnlyWhenAsked) {
  FakeStream& stream = accept();
  stream.give("GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(stream.take_output(), HasSubstr("connection: keep-alive"));
  EXPECT_FALSE(stream.is_gone());
  stream.give("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
  EXPECT_THAT(stream.take_output(), HasSubstr("connection: close"));
  EXPECT_TRUE(stream.is_gone());
}

TEST_F(ServerConnectionTest, HeadGetsNoBodyButItsLength) {
  FakeStream& stream = accept();
  stream.give("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(stream.take_output(), "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
  stream.give(get);
  EXPECT_THAT(stream.output, EndsWith("hello"));
  EXPECT_THAT(stream.output, Not(HasSubstr("connection: close")));
}

TEST_F(ServerConnectionTest, S25BodilessStatusesHaveNoBody) {
  for (const int status : {204, 304}) {
    waist_.at_begin = [status](FakeExchange& e, const Request&) {
      EXPECT_TRUE(e.half->send_head(head_of(status, 0)));
      e.half->send_body("sneaky");
      e.half->send_end(nullptr);
      return true;
    };
    FakeStream& stream = accept();
    stream.give(get);
    EXPECT_THAT(stream.output, EndsWith("\r\n\r\n"));
    EXPECT_THAT(stream.output, Not(HasSubstr("sneaky")));
    EXPECT_THAT(stream.output, Not(HasSubstr("content-length")));
  }
}

TEST_F(ServerConnectionTest, MoreThanAnnouncedIsCutAndLessIsAborted) {
  waist_.at_begin = [](FakeExchange& e, const Request&) {
    EXPECT_TRUE(e.half->send_head(head_of(200, 3)));
    e.half->send_body("abcdef");
    e.half->send_end(nullptr);
    return true;
  };
  FakeStream& more = accept();
  more.give(get);
  EXPECT_THAT(more.output, EndsWith("\r\n\r\nabc"));
  EXPECT_EQ(more.goodbye, Goodbye::flush_and_close);
  EXPECT_TRUE(more.is_gone());
  waist_.at_begin = [](FakeExchange& e, const Request&) {
    EXPECT_TRUE(e.half->send_head(head_of(200, 9)));
    e.half->send_body("abc");
    e.half->send_end(nullptr);
    return true;
  };
  FakeStream& less = accept();
  less.give(get);
  EXPECT_TRUE(less.is_gone());
  EXPECT_EQ(less.goodbye, Goodbye::abort);
}

TEST_F(ServerConnectionTest, S26AHeadWithALineBreakIsAborted) {
  bool was_sent = true;
  waist_.at_begin = [&](FakeExchange& e, const Request&) {
    ResponseHead head = head_of(200, 0);
    head.fields.add(e.half->arena(), "location", "/a\r\nx: y");
    was_sent = e.half->send_head(head);
    return true;
  };
  FakeStream& stream = accept();
  stream.give(get);
  EXPECT_FALSE(was_sent);
  EXPECT_EQ(stream.output, "");
  EXPECT_EQ(stream.goodbye, Goodbye::abort);
  EXPECT_EQ(connections_.size(), 0U);
}

TEST_F(ServerConnectionTest, ContinueAndInterimHeads) {
  waist_.at_begin = [](FakeExchange& e, const Request& request) {
    EXPECT_TRUE(request.expects_continue);
    e.half->send_continue();
    e.half->send_continue();
    e.half->send_interim(head_of(103, 0));
    return echo(e, request);
  };
  FakeStream& stream = accept();
  stream.give("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(stream.output, StartsWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103"));
  EXPECT_EQ(count(stream.output, "100 Continue"), 1U);
  EXPECT_THAT(stream.take_output(), Not(HasSubstr("content-length")));
  stream.give("ok");
  EXPECT_THAT(stream.output, EndsWith("\r\n\r\nok"));
  EXPECT_THAT(stream.output, Not(HasSubstr("close")));
  EXPECT_FALSE(stream.is_gone());
}

TEST_F(ServerConnectionTest, S06AnAnswerWithoutContinueCloses) {
  FakeStream& stream = accept();
  stream.give("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(stream.output, HasSubstr("connection: close"));
  EXPECT_EQ(stream.goodbye, Goodbye::flush_and_close);
}

TEST_F(ServerConnectionTest, S05AnUnreadBodyIsDroppedBeforeTheNextRequest) {
  FakeStream& stream = accept();
  stream.give(post);  // answered at once, without the body
  EXPECT_THAT(stream.take_output(), EndsWith("hello"));
  stream.give("GET /");  // these five bytes are the body
  stream.give(get);
  EXPECT_THAT(waist_.requests, ElementsAre("POST /p", "GET /a"));
  stream.give(std::string(chunked_post) + "5\r\nhe");
  stream.give("llo\r\n0\r\n\r\n");
  stream.give(get);
  EXPECT_EQ(waist_.requests.size(), 4U);
  EXPECT_EQ(count(stream.output, "200 OK"), 3U);
}

TEST_F(ServerConnectionTest, S05ALargeUnreadBodyCloses) {
  FakeStream& stream = accept();
  stream.give("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 262145\r\n\r\nabc");
  EXPECT_THAT(stream.output, HasSubstr("connection: close"));
  EXPECT_EQ(stream.goodbye, Goodbye::flush_and_close);
  FakeStream& chunked = accept();
  chunked.give(chunked_post);
  EXPECT_FALSE(chunked.is_gone()) << "its length is not known yet";
  for (int i = 0; i < 5; ++i) chunked.give("10000\r\n" + std::string(65536, 'x') + "\r\n");
  EXPECT_TRUE(chunked.is_gone());
  FakeStream& stalled = accept();
  stalled.give(post);
  loop_.pass(seconds(61));
  EXPECT_TRUE(stalled.is_gone());
}

TEST_F(ServerConnectionTest, RefusedHeadsAreAnsweredAndClosed) {
  FakeStream& stream = accept();
  stream.give("GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + std::string(get));
  EXPECT_THAT(waist_.refusals, ElementsAre("request_malformed"));
  EXPECT_EQ(waist_.refused_details, "GET /x");
  EXPECT_THAT(stream.output, StartsWith("HTTP/1.1 400 Bad Request"));
  EXPECT_THAT(stream.output, HasSubstr("connection: close"));
  EXPECT_EQ(stream.goodbye, Goodbye::flush_and_close);
  EXPECT_TRUE(waist_.requests.empty());
}

TEST_F(ServerConnectionTest, S23GarbageBehindCloseIsDropped) {
  waist_.at_begin = do_nothing;
  FakeStream& stream = accept();
  stream.give("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + std::string(get));
  stream.give("\x01\x02 garbage");
  exchange().answer("bye");
  loop_.turn();
  EXPECT_EQ(waist_.requests.size(), 1U);
  EXPECT_TRUE(waist_.refusals.empty());
  EXPECT_THAT(stream.output, HasSubstr("connection: close"));
  EXPECT_EQ(stream.goodbye, Goodbye::flush_and_close);
}

TEST_F(ServerConnectionTest, ABrokenChunkCanStillBeAnswered) {
  waist_.at_begin = echo;
  FakeStream& stream = accept();
  stream.give(chunked_post);
  exchange().at_failure = [](FakeExchange& e) {
    EXPECT_TRUE(e.half->can_answer());
    e.answer("bad", 400);
  };
  stream.give("zz\r\n");
  EXPECT_STREQ(exchange().refusal.cause->code, "request_body_malformed");
  EXPECT_THAT(stream.output, HasSubstr("connection: close"));
  EXPECT_EQ(stream.goodbye, Goodbye::flush_and_close);
}

TEST_F(ServerConnectionTest, AHalfClosedClientStillGetsItsAnswer) {
  waist_.at_begin = do_nothing;
  FakeStream& stream = accept();
  stream.give(get);
  stream.give_end();
  EXPECT_FALSE(stream.is_gone());
  EXPECT_EQ(exchange().failures, 0);
  exchange().answer("late");
  EXPECT_THAT(stream.output, EndsWith("late"));
  EXPECT_THAT(stream.output, HasSubstr("connection: close"));
  EXPECT_EQ(stream.goodbye, Goodbye::flush_and_close);
}

TEST_F(ServerConnectionTest, PipelinedRequestsBeforeTheFinAreAllAnswered) {
  waist_.at_begin = do_nothing;
  FakeStream& stream = accept();
  stream.give(std::string(get) + std::string(get));
  stream.give_end();
  exchange().answer("1");
  EXPECT_THAT(stream.output, Not(HasSubstr("connection: close")));
  loop_.turn();
  ASSERT_EQ(waist_.requests.size(), 2U);
  exchange().answer("2");
  EXPECT_EQ(count(stream.output, "200 OK"), 2U);
  EXPECT_TRUE(stream.is_gone());
}

TEST_F(ServerConnectionTest, FinInsideAHeadOrBody) {
  FakeStream& head = accept();
  head.give(get.substr(0, 10));
  head.give_end();
  EXPECT_EQ(head.output, "");
  EXPECT_TRUE(head.is_gone());
  waist_.at_begin = echo;
  FakeStream& body = accept();
  body.give(std::string(post) + "12");
  body.give_end();
  EXPECT_EQ(exchange().failures, 1);
  EXPECT_STREQ(exchange().refusal.cause->code, "client_closed");
  EXPECT_TRUE(body.is_gone());
  EXPECT_EQ(connections_.size(), 0U);
}

TEST_F(ServerConnectionTest, AResetIsToldAndTheHalfOutlivesIt) {
  waist_.at_begin = do_nothing;
  FakeStream& stream = accept();
  stream.give(get);
  FakeExchange& e = exchange();
  e.at_failure = [](FakeExchange& self) { EXPECT_FALSE(self.half->can_answer()); };
  stream.fail();
  EXPECT_EQ(e.failures, 1);
  EXPECT_EQ(connections_.size(), 1U) << "the half is valid until abort()";
  EXPECT_TRUE(e.half->send_head(head_of(200, 5)));
  e.half->want_room();
  EXPECT_EQ(e.half->unsent_bytes(), 0U);
  e.half->abort();
  EXPECT_EQ(connections_.size(), 0U);
  FakeStream& idle = accept();
  idle.fail();
  EXPECT_EQ(connections_.size(), 0U);
}

TEST_F(ServerConnectionTest, CloseAfterAndDrain) {
  waist_.at_begin = [](FakeExchange& e, const Request&) {
    e.half->close_after();
    e.answer("x");
    return true;
  };
  FakeStream& stream = accept();
  stream.give(get);
  EXPECT_THAT(stream.output, HasSubstr("connection: close"));
  waist_.at_begin = do_nothing;
  FakeStream& idle = accept();
  FakeStream& busy = accept();
  busy.give(get);
  waist_.draining = true;
  connections_.drain();
  EXPECT_EQ(idle.goodbye, Goodbye::flush_and_close);
  EXPECT_TRUE(idle.is_gone());
  EXPECT_FALSE(busy.is_gone());
  exchange().answer("x");
  EXPECT_THAT(busy.output, HasSubstr("connection: close"));
  EXPECT_EQ(connections_.size(), 0U);
}

TEST_F(ServerConnectionTest, CloseAllCutsExchanges) {
  waist_.at_begin = do_nothing;
  for (int i = 0; i < 3; ++i) accept().give(get);
  (void)accept();
  waist_.exchanges[1]->at_failure = [](FakeExchange&) {};  // ends it later
  connections_.close_all();
  EXPECT_EQ(connections_.size(), 1U);
  EXPECT_EQ(waist_.exchanges[0]->failures, 1);
  waist_.exchanges[1]->half->abort();
  EXPECT_EQ(connections_.size(), 0U);
  EXPECT_EQ(waist_.closed, 4);
}

TEST_F(ServerConnectionTest, RoomIsToldOnceTheClientHasTakenAll) {
  waist_.at_begin = do_nothing;
  FakeStream& stream = accept();
  stream.holds_output = true;
  stream.give(get);
  FakeExchange& e = exchange();
  EXPECT_TRUE(e.half->send_head(head_of(200, 100)));
  e.half->send_body(std::string(50, 'x'));
  EXPECT_GT(e.half->unsent_bytes(), 50U);
  e.half->want_room();
  loop_.turn();
  EXPECT_EQ(e.rooms, 0);
  stream.holds_output = false;
  loop_.turn();
  EXPECT_EQ(e.rooms, 1);
  loop_.turn();
  EXPECT_EQ(e.rooms, 1);
  e.half->send_body(std::string(50, 'x'));
  EXPECT_EQ(e.half->sent_bytes(), stream.output.size());
  e.half->send_end(nullptr);
  EXPECT_FALSE(stream.is_gone());
}

TEST_F(ServerConnectionTest, AConnectionLeftOverIsClosedWithItsOwner) {
  auto more = std::make_unique<ServerConnections>(waist_, ServerSettings{});
  FakeStream& stream = loop_.make_stream();
  waist_.at_begin = do_nothing;
  more->accept(net::StreamPtr(&stream));
  stream.give(get);
  more.reset();
  EXPECT_TRUE(stream.is_gone());
}

TEST_F(ServerConnectionTest, IdleOnesAreFoundWithTheTimeTheyWait) {
  waist_.at_begin = do_nothing;
  FakeStream& first = accept();
  loop_.pass(std::chrono::seconds(1));
  FakeStream& busy = accept();
  busy.give(get);
  FakeStream& half_a_head = accept();
  half_a_head.give(get.substr(0, 5));
  loop_.pass(std::chrono::seconds(1));
  accept();
  std::vector<IdleConnection> idle;
  connections_.find_idle(idle);
  ASSERT_EQ(idle.size(), 2u);
  EXPECT_EQ(idle[1].until - idle[0].until, std::chrono::seconds(2));
  idle[0].connection->close_if_idle();
  EXPECT_TRUE(first.is_gone());
  EXPECT_EQ(waist_.closed, 1);
  EXPECT_EQ(connections_.size(), 3u);
}

TEST_F(ServerConnectionTest, TheTicketComesBackAtTheEnd) {
  FakeStream& stream = loop_.make_stream();
  connections_.accept(net::StreamPtr(&stream), 77);
  stream.give_end();
  EXPECT_EQ(waist_.last_ticket, 77u);
}

}  // namespace
}  // namespace sluice::http::h1
