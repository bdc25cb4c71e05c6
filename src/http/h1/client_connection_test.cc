#include "http/h1/client_connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "http/h1/fake_net.h"

namespace sluice::http::h1 {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Goodbye = net::Stream::Goodbye;

struct Owner final : UpstreamConnectionOwner {
  std::unique_ptr<ClientConnection> connection;
  int connected = 0, idle = 0, unusable = 0;
  std::optional<Error> refused;
  std::vector<std::string>* log = nullptr;

  void on_connected(UpstreamConnection&) override { ++connected; }
  void on_connect_failed(UpstreamConnection&, Error error) override {
    refused = error;
    connection.reset();
  }
  void on_idle(UpstreamConnection&) override {
    ++idle;
    if (log) log->emplace_back("idle");
  }
  void on_unusable(UpstreamConnection&) override {
    ++unusable;
    if (log) log->emplace_back("unusable");
    connection.reset();
  }
};

struct Attempt final : UpstreamEvents {
  UpstreamHalf* half = nullptr;
  bool pulls = true;
  std::vector<std::string> log;
  std::string body;
  int chunks = 0, rooms = 0, ends = 0;
  std::optional<Error> error;
  std::function<void()> at_head, at_chunk;

  void on_interim(const ResponseHead& head) override { log.push_back("interim " + std::to_string(head.status)); }
  void on_response_head(const ResponseHead& head) override {
    std::string line = "head " + std::to_string(head.status) + " " + std::to_string(head.body.bytes);
    for (const Field& field : head.fields) line.append("|").append(field.name).append("=").append(field.value);
    log.push_back(line);
    if (at_head) return at_head();
    if (pulls) half->pull_body();
  }
  void on_response_body(net::Buffer bytes) override {
    ++chunks;
    EXPECT_FALSE(bytes.empty());
    body.append(bytes.view());
    if (at_chunk) return at_chunk();
    if (pulls) half->pull_body();
  }
  void on_response_end(const FieldList& trailers) override {
    ++ends;
    std::string line = "end";
    for (const Field& field : trailers) line.append("|").append(field.name).append("=").append(field.value);
    log.push_back(line);
  }
  void on_upstream_room() override { ++rooms; }
  void on_upstream_failed(Error why) override {
    error = why;
    log.emplace_back("failed");
  }
  std::string seen() const {
    std::string all;
    for (const std::string& line : log) all += line + "\n";
    return all + body;
  }
};

class ClientConnectionTest : public ::testing::Test {
 protected:
  FakeStream& connect() {
    owner_.connection = std::make_unique<ClientConnection>(loop_, net::Address{}, settings_, owner_);
    loop_.last_stream().handler->on_connected();
    return loop_.last_stream();
  }
  Attempt& start(std::string_view method = "GET", std::int64_t body_bytes = 0) {
    attempts_.push_back(std::make_unique<Attempt>());
    Attempt& attempt = *attempts_.back();
    attempt.log.clear();
    owner_.log = &attempt.log;
    RequestHead head;
    head.method = method;
    head.authority = "h";
    head.path = "/x";
    head.body.bytes = body_bytes;
    arena_.reset();
    attempt.half = &owner_.connection->start(head, arena_, attempt);
    return attempt;
  }

  FakeLoop loop_;
  Arena arena_;
  ClientSettings settings_;
  Owner owner_;
  std::vector<std::unique_ptr<Attempt>> attempts_;
};

TEST_F(ClientConnectionTest, ServesManyExchangesOneAfterTheOther) {
  FakeStream& stream = connect();
  EXPECT_EQ(owner_.connected, 1);
  EXPECT_TRUE(owner_.connection->is_idle());
  for (int i = 1; i <= 3; ++i) {
    Attempt& attempt = start();
    EXPECT_FALSE(owner_.connection->is_idle());
    EXPECT_THAT(stream.take_output(), StartsWith("GET /x HTTP/1.1\r\nhost: h\r\n"));
    stream.give("HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\nok");
    EXPECT_EQ(attempt.seen(), "head 200 2|a=b\nend\nidle\nok");
    EXPECT_EQ(owner_.idle, i);
    EXPECT_EQ(owner_.connection->served(), static_cast<std::uint64_t>(i));
  }
}

TEST_F(ClientConnectionTest, ConnectFailures) {
  owner_.connection = std::make_unique<ClientConnection>(loop_, net::Address{}, settings_, owner_);
  loop_.last_stream().fail(Code::refused);
  ASSERT_TRUE(owner_.refused);
  EXPECT_EQ(owner_.refused->code, Code::refused);
  EXPECT_TRUE(owner_.refused->retryable);
  EXPECT_TRUE(loop_.last_stream().is_gone());
}

TEST_F(ClientConnectionTest, EveryCutOfEveryResponseGivesTheSame) {
  const std::string responses[] = {
      "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nX: y\r\n\r\nhello world",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 404 Not "
      "Found\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n8;e=1\r\ndefghijk\r\n0\r\nx-t: 1\r\n\r\n",
      "HTTP/1.1 204 No Content\r\n\r\n",
  };
  for (const std::string& response : responses) {
    FakeStream& whole = connect();
    Attempt& attempt = start();
    whole.give(response);
    const std::string seen = attempt.seen();
    EXPECT_THAT(seen, HasSubstr("idle"));
    for (std::size_t cut = 1; cut < response.size(); ++cut) {
      FakeStream& stream = connect();
      Attempt& other = start();
      stream.give(response.substr(0, cut));
      stream.give(response.substr(cut));
      ASSERT_EQ(other.seen(), seen) << response << " cut at " << cut;
    }
    FakeStream& stream = connect();
    Attempt& other = start();
    for (const char c : response) stream.give({&c, 1});
    EXPECT_EQ(other.seen(), seen);
  }
}

TEST_F(ClientConnectionTest, SendsBodiesOfKnownAndUnknownSize) {
  FakeStream& stream = connect();
  Attempt& known = start("POST", 5);
  net::Buffer bytes = loop_.make_buffer(5);
  std::memcpy(bytes.block(), "hello", 5);
  bytes.set_size(5);
  known.half->send_body(std::move(bytes));
  known.half->send_end(nullptr);
  EXPECT_THAT(stream.output, HasSubstr("content-length: 5\r\n"));
  EXPECT_EQ(known.half->sent_bytes(), stream.output.size());
  EXPECT_THAT(stream.take_output(), EndsWith("\r\n\r\nhello"));
  stream.give("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_EQ(owner_.idle, 1);

  Attempt& unknown = start("POST", BodySize::unknown);
  for (const std::size_t tail : {0U, 10U}) {
    net::Buffer chunk = loop_.make_buffer(4096);
    std::memset(chunk.block(), 'z', 4096);
    chunk.set_size(chunk.capacity() - tail);
    unknown.half->send_body(std::move(chunk));
  }
  FieldList trailers;
  trailers.add(arena_, "x-t", "v");
  unknown.half->send_end(&trailers);
  EXPECT_THAT(stream.output, HasSubstr("transfer-encoding: chunked\r\n"));
  EXPECT_THAT(stream.output, HasSubstr("\r\n\r\n1000\r\nz"));
  EXPECT_THAT(stream.output, HasSubstr("z\r\nff6\r\nz"));
  EXPECT_THAT(stream.output, EndsWith("z\r\n0\r\nx-t: v\r\n\r\n"));
  stream.give("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(owner_.idle, 2);
}

TEST_F(ClientConnectionTest, DeliversOneChunkPerCredit) {
  FakeStream& stream = connect();
  Attempt& attempt = start();
  attempt.pulls = false;
  stream.give("HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n");
  stream.give(std::string(3000, 'a'));
  stream.give(std::string(3000, 'b'));
  EXPECT_TRUE(stream.is_paused);
  stream.give(std::string(3000, 'c'));
  EXPECT_EQ(attempt.chunks, 0);
  for (int i = 1; i <= 3; ++i) {
    attempt.half->pull_body();
    EXPECT_EQ(attempt.chunks, i);
    loop_.turn();
  }
  EXPECT_FALSE(stream.is_paused);
  EXPECT_EQ(attempt.ends, 0) << "the end needs credit too";
  attempt.half->pull_body();
  EXPECT_EQ(attempt.ends, 1);
  EXPECT_EQ(owner_.idle, 1);
}

TEST_F(ClientConnectionTest, AnEmptyBodyEndsWithoutCredit) {
  for (const char* const head : {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 304 Not Modified\r\n\r\n"}) {
    FakeStream& stream = connect();
    Attempt& attempt = start();
    attempt.pulls = false;
    stream.give(head);
    EXPECT_EQ(attempt.ends, 1);
  }
}

TEST_F(ClientConnectionTest, S25HeadHasNoBody) {
  FakeStream& stream = connect();
  Attempt& attempt = start("HEAD");
  stream.give("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
  EXPECT_EQ(attempt.ends, 1);
  EXPECT_EQ(owner_.idle, 1);
}

TEST_F(ClientConnectionTest, S25TooManyInterimResponses) {
  FakeStream& stream = connect();
  Attempt& attempt = start();
  for (int i = 0; i < 9; ++i) stream.give("HTTP/1.1 103 Early Hints\r\n\r\n");
  ASSERT_TRUE(attempt.error);
  EXPECT_EQ(attempt.error->side, Side::upstream);
  EXPECT_FALSE(attempt.error->retryable);
  EXPECT_EQ(owner_.unusable, 1);
  EXPECT_EQ(stream.goodbye, Goodbye::abort);
}

TEST_F(ClientConnectionTest, UntilCloseEndsAtTheFinAndIsNotReused) {
  FakeStream& stream = connect();
  Attempt& attempt = start();
  stream.give("HTTP/1.1 200 OK\r\n\r\nall ");
  stream.give("of it");
  EXPECT_EQ(attempt.ends, 0);
  stream.give_end();
  EXPECT_EQ(attempt.seen(), "head 200 -1\nend\nunusable\nall of it");
  FakeStream& cut = connect();
  Attempt& other = start();
  cut.give("HTTP/1.1 200 OK\r\n\r\nall ");
  cut.fail();
  EXPECT_EQ(other.ends, 0);
  EXPECT_EQ(other.error->code, Code::reset);
}

TEST_F(ClientConnectionTest, I3AnyDoubtAndItIsNotReused) {
  const char* const doubtful[] = {
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n",    // bytes behind the answer
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",  // said so
      "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
  };
  for (const char* const response : doubtful) {
    FakeStream& stream = connect();
    Attempt& attempt = start();
    stream.give(response);
    EXPECT_EQ(attempt.ends, 1);
    EXPECT_EQ(attempt.body, "ok");
    EXPECT_EQ(owner_.connection, nullptr) << response;
    EXPECT_TRUE(stream.is_gone());
  }
  EXPECT_EQ(owner_.idle, 0);

  FakeStream& early = connect();
  Attempt& attempt = start("POST", 10);
  early.give("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(attempt.ends, 1);
  EXPECT_EQ(owner_.connection, nullptr) << "the request was not complete";

  FakeStream& unsent = connect();
  unsent.holds_output = true;
  (void)start();
  unsent.give("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(owner_.connection, nullptr);
  EXPECT_EQ(owner_.idle, 0);
}

TEST_F(ClientConnectionTest, BytesFinOrResetWhileIdle) {
  for (int i = 0; i < 3; ++i) {
    FakeStream& stream = connect();
    if (i == 0) stream.give("HTTP/1.1 200 OK\r\n\r\n");
    if (i == 1) stream.give_end();
    if (i == 2) stream.fail();
    EXPECT_EQ(owner_.unusable, i + 1);
    EXPECT_TRUE(stream.is_gone());
  }
}

TEST_F(ClientConnectionTest, ATruncatedBodyIsAFailure) {
  for (const bool is_reset : {false, true}) {
    for (const char* const response : {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
                                       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"}) {
      FakeStream& stream = connect();
      Attempt& attempt = start();
      stream.give(response);
      is_reset ? stream.fail() : stream.give_end();
      EXPECT_EQ(attempt.body, "abc");
      EXPECT_EQ(attempt.ends, 0);
      ASSERT_TRUE(attempt.error);
      EXPECT_EQ(attempt.error->code, is_reset ? Code::reset : Code::closed);
      EXPECT_EQ(attempt.error->side, Side::upstream);
      EXPECT_FALSE(attempt.error->retryable);
    }
  }
}

TEST_F(ClientConnectionTest, WhatCameBeforeTheResetIsDelivered) {
  FakeStream& stream = connect();
  Attempt& attempt = start("POST", 100);
  attempt.pulls = false;
  stream.give("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
  stream.fail();
  attempt.half->pull_body();
  EXPECT_EQ(attempt.body, "big");
  attempt.half->pull_body();
  EXPECT_EQ(attempt.ends, 1);
  EXPECT_FALSE(attempt.error);
}

TEST_F(ClientConnectionTest, RetryableExactlyWhenNothingCanHaveHappened) {
  // A fresh connection that took the request and ended: the endpoint may have acted on it.
  FakeStream& fresh = connect();
  Attempt& first = start();
  fresh.give_end();
  EXPECT_FALSE(first.error->retryable);
  // Nothing of the request had left.
  FakeStream& stuck = connect();
  stuck.holds_output = true;
  Attempt& second = start();
  stuck.fail();
  EXPECT_TRUE(second.error->retryable);
  EXPECT_TRUE(second.error->is_unsent);
  // It had been idle before: the peer may have closed it in the meantime.
  for (const bool is_reset : {false, true}) {
    FakeStream& reused = connect();
    (void)start();
    reused.give("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    Attempt& third = start();
    is_reset ? reused.fail() : reused.give_end();
    EXPECT_TRUE(third.error->retryable);
    EXPECT_FALSE(third.error->is_unsent);
  }
  // But not once a byte of the response was seen.
  FakeStream& begun = connect();
  (void)start();
  begun.give("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  Attempt& fourth = start();
  begun.give("H");
  begun.give_end();
  EXPECT_FALSE(fourth.error->retryable);
  EXPECT_EQ(fourth.error->code, Code::closed);
}

TEST_F(ClientConnectionTest, S27MalformedResponses) {
  for (const char* const response :
       {"HTTP/1.1 99 X\r\n\r\n", "HTTP/1.1 200 OK\nA: b\n\n", "garbage garbage garbage\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    FakeStream& stream = connect();
    Attempt& attempt = start();
    stream.give(response);
    ASSERT_TRUE(attempt.error) << response;
    EXPECT_EQ(attempt.error->code, Code::malformed) << response;
    EXPECT_EQ(attempt.error->side, Side::upstream);
    EXPECT_FALSE(attempt.error->retryable);
    EXPECT_EQ(owner_.connection, nullptr);
  }
}

TEST_F(ClientConnectionTest, CancelAnywhere) {
  FakeStream& before = connect();
  Attempt& first = start();
  first.half->cancel();
  EXPECT_EQ(first.seen(), "unusable\n");
  EXPECT_EQ(before.goodbye, Goodbye::abort);
  (void)connect();
  Attempt& second = start();
  second.at_head = [&] { second.half->cancel(); };
  loop_.last_stream().give("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(second.seen(), "head 200 2\nunusable\n");
  (void)connect();
  Attempt& third = start();
  third.at_chunk = [&] { third.half->cancel(); };
  loop_.last_stream().give("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(third.seen(), "head 200 2\nunusable\nok");
}

TEST_F(ClientConnectionTest, S26ARequestThatMustNotBeWrittenFailsLater) {
  FakeStream& stream = connect();
  Attempt attempt;
  RequestHead head;
  head.method = "GET";
  head.authority = "h\r\nx: y";
  head.path = "/";
  attempt.half = &owner_.connection->start(head, arena_, attempt);
  EXPECT_FALSE(attempt.error);
  EXPECT_EQ(stream.output, "");
  loop_.turn();
  ASSERT_TRUE(attempt.error);
  EXPECT_EQ(attempt.error->side, Side::gateway);
  EXPECT_EQ(owner_.connection, nullptr);
}

TEST_F(ClientConnectionTest, ARequestBodyThatIsTooShortFails) {
  FakeStream& stream = connect();
  Attempt& attempt = start("POST", 10);
  attempt.half->send_end(nullptr);
  loop_.turn();
  ASSERT_TRUE(attempt.error);
  EXPECT_EQ(attempt.error->side, Side::gateway);
  EXPECT_EQ(stream.goodbye, Goodbye::abort);
}

TEST_F(ClientConnectionTest, RoomIsTold) {
  FakeStream& stream = connect();
  stream.holds_output = true;
  Attempt& attempt = start("POST", 10);
  EXPECT_GT(attempt.half->unsent_bytes(), 0U);
  attempt.half->want_room();
  loop_.turn();
  EXPECT_EQ(attempt.rooms, 0);
  stream.holds_output = false;
  loop_.turn();
  EXPECT_EQ(attempt.rooms, 1);
}

}  // namespace
}  // namespace sluice::http::h1
