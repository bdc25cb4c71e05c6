// A connection to an upstream over a fake stream. The upstream is a session of ours in the other role.
#include "http/h2/client_connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "http/h1/fake_net.h"

namespace sluice::http::h2 {
namespace {

using h1::FakeLoop;
using h1::FakeStream;

struct Owner final : UpstreamConnectionOwner {
  void on_connected(UpstreamConnection&) override { ++connected; }
  void on_connect_failed(UpstreamConnection&, Error why) override {
    error = why;
    connection.reset();
  }
  void on_idle(UpstreamConnection&) override { ++idle; }
  void on_unusable(UpstreamConnection&) override {
    ++unusable;
    connection.reset();
  }
  std::unique_ptr<ClientConnection> connection;
  int connected = 0, idle = 0, unusable = 0;
  Error error{};
};

struct Attempt final : UpstreamEvents {
  void on_interim(const http::ResponseHead& head) override { told.append(std::to_string(head.status)).append(" "); }
  void on_response_head(const http::ResponseHead& head) override {
    told.append(std::to_string(head.status)).append(" ");
    for (const Field& field : head.fields) told.append(field.name).append("=").append(field.value).append(" ");
    half->pull_body();
  }
  void on_response_body(net::Buffer bytes) override {
    body.append(bytes.view());
    half->pull_body();
  }
  void on_response_end(const FieldList& trailers) override {
    for (const Field& field : trailers) told.append(field.name).append(":").append(field.value).append(" ");
    told.append("end");
  }
  void on_upstream_room() override { ++rooms; }
  void on_upstream_failed(Error why) override {
    told.append("failed");
    error = why;
  }
  UpstreamHalf* half = nullptr;
  std::string told, body;
  int rooms = 0;
  Error error{};
};

// Answers by what the test says.
class Server final : private SessionEvents {
 public:
  struct Asked final : SessionStream {
    std::string head, body, to_send;
    std::vector<HeaderField> trailers;
    bool is_whole = false, is_closed = false;
    ErrorCode code{};
    Session* session = nullptr;
    Piece next_piece(std::size_t most) override {
      const std::size_t bytes = std::min(most, to_send.size());
      Piece piece{.bytes = bytes, .is_last = bytes == to_send.size()};
      if (piece.is_last && !trailers.empty()) {
        piece.has_trailers = true;
        session->submit_trailers(*this, trailers);
      }
      return piece;
    }
    void write_piece(net::Stream& out, std::size_t bytes) override {
      out.write(std::string_view(to_send).substr(0, bytes));
      to_send.erase(0, bytes);
    }
  };

  Server(FakeLoop& loop, SessionSettings settings)
      : out_(loop.make_stream()), session_(Session::Role::server, settings, memory_, *this) {}
  void receive(std::string bytes) { EXPECT_TRUE(session_.receive(bytes)); }
  std::string take_output() {
    EXPECT_TRUE(session_.write(out_, SIZE_MAX));
    return out_.take_output();
  }
  void answer(Asked& one, std::vector<HeaderField> fields, std::string body = "",
              std::vector<HeaderField> trailers = {}) {
    one.to_send = std::move(body);
    one.trailers = std::move(trailers);
    session_.submit_response(one, fields, !one.to_send.empty() || !one.trailers.empty());
  }
  Session& session() { return session_; }
  std::deque<Asked> asked;

 private:
  static Asked& ours(SessionStream& stream) { return static_cast<Asked&>(stream); }
  SessionStream* on_open(std::int32_t) override {
    asked.emplace_back().session = &session_;
    return &asked.back();
  }
  void on_block_begin(SessionStream&) override {}
  void on_field(SessionStream& stream, std::string_view name, std::string_view value) override {
    ours(stream).head.append(name).append("=").append(value).append(" ");
  }
  void on_block_end(SessionStream&, bool) override {}
  void on_data(SessionStream& stream, std::string_view bytes) override {
    ours(stream).body.append(bytes);
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
  void on_goaway(std::int32_t, ErrorCode) override {}
  void on_settings() override {}

  FakeStream& out_;
  SessionMemory memory_;
  Session session_;
};

class Http2ClientTest : public testing::Test {
 protected:
  void connect(SessionSettings settings = {}) {
    server_ = std::make_unique<Server>(loop_, settings);
    owner_.connection = std::make_unique<ClientConnection>(loop_, net::Address{}, settings_, memory_, owner_);
    stream_ = &loop_.last_stream();
    stream_->handler->on_connected();
    round();
    EXPECT_EQ(owner_.connected, 1);
  }
  // Bytes go to and fro, cut into pieces of `step_`.
  void round() {
    for (int i = 0; i < 4; ++i) {
      loop_.turn();
      server_->receive(stream_->take_output());
      const std::string back = server_->take_output();
      for (std::size_t at = 0; at < back.size(); at += step_) {
        stream_->give(std::string_view(back).substr(at, step_));
        if (step_ < 100) loop_.turn();
      }
    }
    loop_.turn();
  }
  Attempt& start(std::string_view method = "GET", std::int64_t body = 0) {
    RequestHead head;
    head.method = method;
    head.authority = "h";
    head.path = "/a";
    head.has_query = true;
    head.query = "b";
    head.body.bytes = body;
    Attempt& attempt = attempts_.emplace_back();
    attempt.half = &owner_.connection->start(head, arena_, attempt);
    return attempt;
  }

  FakeLoop loop_;
  SessionMemory memory_;
  ClientSettings settings_;
  Owner owner_;
  Arena arena_;
  std::deque<Attempt> attempts_;
  std::unique_ptr<Server> server_;
  FakeStream* stream_ = nullptr;
  std::size_t step_ = SIZE_MAX / 2;
};

TEST_F(Http2ClientTest, ManyExchangesAndTheSameOutcomeWhereverBytesAreCut) {
  for (const std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{50}, SIZE_MAX / 2}) {
    step_ = step;
    owner_.connected = owner_.idle = 0;
    attempts_.clear();
    connect();
    Attempt& get = start();
    Attempt& post = start("POST", 5);
    Attempt& head = start("HEAD");
    arena_.reset();
    round();
    net::Buffer hello = loop_.make_buffer(5);
    std::memcpy(hello.block(), "hello", 5);
    hello.set_size(5);
    post.half->send_body(std::move(hello));
    post.half->send_end(nullptr);
    round();
    ASSERT_EQ(server_->asked.size(), 3U);
    EXPECT_EQ(server_->asked[0].head, ":method=GET :scheme=http :authority=h :path=/a?b ");
    EXPECT_EQ(server_->asked[1].body, "hello");
    server_->session().submit_interim(server_->asked[0], std::vector<HeaderField>{{":status", "103"}, {"link", "x"}});
    server_->answer(server_->asked[0], {{":status", "200"}, {"x-a", "b"}}, std::string(20'000, 'x'),
                    {{"x-t", "1"}, {"host", "h"}});
    server_->answer(server_->asked[1], {{":status", "204"}});
    server_->answer(server_->asked[2], {{":status", "200"}, {"content-length", "7"}});
    round();
    EXPECT_EQ(get.told, "103 200 x-a=b x-t:1 end");
    EXPECT_EQ(get.body.size(), 20'000U);
    EXPECT_EQ(post.told, "204 end");
    EXPECT_EQ(head.told, "200 end");
    EXPECT_EQ(owner_.idle, 1);
    EXPECT_EQ(owner_.connection->room(), 100U);
    owner_.connection.reset();
  }
}

TEST_F(Http2ClientTest, RoomIsWhatThePeerAllows) {
  connect({.concurrent_streams = 2});
  EXPECT_EQ(owner_.connection->room(), 2U);
  start();
  start();
  EXPECT_EQ(owner_.connection->room(), 0U);
  round();
  server_->answer(server_->asked[0], {{":status", "200"}}, "x");
  round();
  EXPECT_EQ(owner_.connection->room(), 1U);
  EXPECT_EQ(owner_.idle, 0);
}

TEST_F(Http2ClientTest, WhatWasRefusedWasNotSeen) {
  connect();
  Attempt& refused = start("POST", 5);
  round();
  server_->session().reset(server_->asked[0], ErrorCode::refused_stream);
  round();
  EXPECT_EQ(refused.told, "failed");
  EXPECT_TRUE(refused.error.retryable);
  EXPECT_TRUE(refused.error.is_unsent);
  Attempt& broken = start();
  round();
  server_->session().reset(server_->asked[1], ErrorCode::internal_error);
  round();
  EXPECT_TRUE(broken.error.retryable);
  EXPECT_FALSE(broken.error.is_unsent);
}

TEST_F(Http2ClientTest, GoawayEndsTheConnectionWithItsLastExchange) {
  connect();
  Attempt& attempt = start();
  round();
  server_->session().goaway(ErrorCode::no_error);
  round();
  EXPECT_EQ(owner_.connection->room(), 0U);
  server_->answer(server_->asked[0], {{":status", "200"}}, "x");
  round();
  EXPECT_EQ(attempt.told, "200 end");
  EXPECT_EQ(owner_.unusable, 1);
}

TEST_F(Http2ClientTest, ACancelIsAResetOfOneStream) {
  connect();
  Attempt& given_up = start();
  Attempt& other = start();
  round();
  given_up.half->cancel();
  round();
  EXPECT_TRUE(server_->asked[0].is_closed);
  EXPECT_EQ(server_->asked[0].code, ErrorCode::cancel);
  server_->answer(server_->asked[1], {{":status", "200"}}, "x");
  round();
  EXPECT_EQ(given_up.told, "");
  EXPECT_EQ(other.told, "200 end");
}

TEST_F(Http2ClientTest, TheConnectionsEndFailsAllOfThem) {
  connect();
  Attempt& seen = start();
  Attempt& unseen = start();
  round();
  server_->session().submit_interim(server_->asked[0], std::vector<HeaderField>{{":status", "103"}});
  round();
  stream_->fail();
  loop_.turn();
  EXPECT_EQ(unseen.told, "failed");
  EXPECT_TRUE(unseen.error.retryable);
  EXPECT_THAT(seen.told, testing::EndsWith("failed"));
  EXPECT_FALSE(seen.error.retryable);
  EXPECT_EQ(owner_.unusable, 1);
}

TEST_F(Http2ClientTest, WhoDoesNotSpeakHttp2IsNotConnected) {
  owner_.connection = std::make_unique<ClientConnection>(loop_, net::Address{}, settings_, memory_, owner_);
  FakeStream& stream = loop_.last_stream();
  stream.handler->on_connected();
  stream.give("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
  loop_.turn();
  EXPECT_EQ(owner_.connected, 0);
  EXPECT_EQ(owner_.connection, nullptr);
  EXPECT_EQ(owner_.error.code, Code::malformed);
}

TEST_F(Http2ClientTest, TooManyFieldsOrInterimHeadsAreRefused) {
  connect();
  Attempt& many = start();
  round();
  std::vector<HeaderField> fields{{":status", "200"}};
  fields.resize(102, {"x", "y"});
  server_->answer(server_->asked[0], fields);
  round();
  EXPECT_EQ(many.error.code, Code::malformed);
  Attempt& interim = start();
  round();
  for (int i = 0; i < 9; ++i)
    server_->session().submit_interim(server_->asked[1], std::vector<HeaderField>{{":status", "103"}});
  round();
  EXPECT_THAT(interim.told, testing::EndsWith("failed"));
  EXPECT_EQ(server_->asked[1].code, ErrorCode::cancel);
}

}  // namespace
}  // namespace sluice::http::h2
