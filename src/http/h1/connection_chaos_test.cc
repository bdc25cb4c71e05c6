// Peers and gateways that do anything in any order, seed by seed: what must hold whatever happens. Most worth under the
// address sanitizer.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "http/h1/fake_net.h"
#include "http/h1/fake_relay.h"
#include "http/h1/server_connections.h"

namespace sluice::http::h1 {
namespace {

using std::chrono::milliseconds;

class Dice {
 public:
  explicit Dice(unsigned seed) : engine_(seed) {}
  unsigned below(unsigned limit) { return static_cast<unsigned>(engine_() % limit); }

 private:
  std::mt19937 engine_;
};

constexpr std::string_view requests[] = {
    "GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n",
    "POST /d HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    "HEAD /e HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    "GET /f HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
    "POST /g HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX",
    "garbage\r\n",
};
constexpr std::string_view responses[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nuntil close",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "nonsense\r\n\r\n",
};

// A peer that sends whole messages in random pieces, and sometimes leaves.
class Peer {
 public:
  Peer(FakeStream& stream, std::span<const std::string_view> messages) : stream_(stream), messages_(messages) {}
  void act(Dice& dice) {
    switch (dice.below(24)) {
      case 0:
        return stream_.give_end();
      case 1:
        return stream_.fail();
      case 2:
        stream_.holds_output = !stream_.holds_output;
        return;
      default:
        break;
    }
    if (left_.empty()) left_ = messages_[dice.below(static_cast<unsigned>(messages_.size()))];
    const std::size_t size = dice.below(2) == 0 ? left_.size() : 1 + dice.below(static_cast<unsigned>(left_.size()));
    const std::string_view piece = left_.substr(0, size);
    left_.remove_prefix(size);
    stream_.give(piece);
  }

 private:
  FakeStream& stream_;
  std::span<const std::string_view> messages_;
  std::string_view left_;
};

struct ChaosWaist final : Waist {
  ChaosWaist(net::Loop& over, Dice& with) : loop_(over), dice(with) {}

  struct Exchange final : ClientEvents {
    ChaosWaist* waist = nullptr;
    ClientHalf* half = nullptr;  // null once over
    bool has_credit = false, has_failed = false, has_ended = false, wants_room = false;
    int depth = 0;

    void on_request_body(net::Buffer bytes) override {
      EXPECT_FALSE(bytes.empty());
      hear(has_credit);
      has_credit = false;
      act();
    }
    void on_request_end(const FieldList&) override {
      hear(has_credit && !has_ended);
      has_credit = false;
      has_ended = true;
      act();
    }
    void on_client_room() override {
      hear(wants_room);
      wants_room = false;
      act();
    }
    void on_client_failed(Refusal refusal) override {
      hear(!has_failed);
      EXPECT_NE(refusal.cause, nullptr);
      has_failed = true;
      act();
    }
    void hear(bool is_expected) const {
      EXPECT_TRUE(is_expected);
      EXPECT_NE(half, nullptr) << "an event after the end";
      EXPECT_FALSE(has_failed) << "an event after the failure";
    }
    ClientHalf& finish() { return *std::exchange(half, nullptr); }
    void act() {
      // What ends a function in a gateway must end it here: after a pull or an end nothing is touched.
      for (Dice& with = waist->dice; half != nullptr;) {
        switch (with.below(13)) {
          case 0:
          case 1:
          case 2:
            if (has_credit || has_ended || has_failed) return;
            has_credit = true;
            return half->pull_body();
          case 3:
            half->send_continue();
            break;
          case 4:
            half->send_interim({.status = 103});
            break;
          case 5:
            return finish().abort();
          case 6:
            half->close_after();
            break;
          case 7:
            if (has_failed) return;
            wants_room = true;
            return half->want_room();
          case 8:
            return finish().send_end(nullptr);
          case 9:
            half->send_body("data");
            break;
          case 10:
          case 11: {
            ResponseHead head;
            head.status = with.below(4) == 0 ? 304 : 200;
            head.body.bytes = static_cast<int>(with.below(3)) * 4 - 1;  // unknown, 3, 7
            if (with.below(10) == 0) head.fields.add(half->arena(), "x", "a\nb");
            if (half->can_answer() && !half->send_head(head)) half = nullptr;
            break;
          }
          default:
            return;
        }
      }
    }
  };

  ClientEvents* begin(ClientHalf& half, const Request&) override {
    Exchange& exchange = *exchanges.emplace_back(std::make_unique<Exchange>());
    exchange.waist = this;
    exchange.half = &half;
    EXPECT_EQ(++depth, 1) << "exchanges begin one after the other";
    exchange.act();
    --depth;
    return exchange.half == nullptr ? nullptr : &exchange;
  }
  void refuse(ClientHalf& half, const RefusedRequest&) override {
    if (half.send_head({.status = 400})) half.send_end(nullptr);
  }
  void on_connection_closed(std::uint32_t) override { ++closed; }
  bool is_draining() const override { return draining; }
  net::Loop& loop() override { return loop_; }

  net::Loop& loop_;
  Dice& dice;
  std::vector<std::unique_ptr<Exchange>> exchanges;
  int depth = 0, closed = 0;
  bool draining = false;
};

TEST(ConnectionChaos, WhateverClientAndGatewayDo) {
  for (unsigned seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    Dice dice(seed);
    FakeLoop loop;
    ChaosWaist waist(loop, dice);
    ServerConnections connections(waist, ServerSettings{});
    std::vector<Peer> peers;
    for (int i = 0; i < 3; ++i) {
      FakeStream& stream = loop.make_stream();
      connections.accept(net::StreamPtr(&stream));
      peers.emplace_back(stream, std::span(requests).first(dice.below(4) == 0 ? 8 : 6));
    }
    for (int step = 0; step < 80; ++step) {
      switch (dice.below(8)) {
        case 0:
          loop.turn();
          break;
        case 1:
          loop.pass(milliseconds(dice.below(5) == 0 ? 30'000 : 700));
          break;
        case 2:
        case 3:
          for (std::size_t i = 0; i < waist.exchanges.size(); ++i) {
            if (waist.exchanges[i]->half != nullptr && dice.below(2) == 0) waist.exchanges[i]->act();
          }
          break;
        default:
          peers[dice.below(3)].act(dice);
          break;
      }
      if (dice.below(200) == 0) {
        waist.draining = true;
        connections.drain();
      }
    }
    connections.close_all();
    for (std::size_t i = 0; i < waist.exchanges.size(); ++i) {
      if (waist.exchanges[i]->half != nullptr) waist.exchanges[i]->finish().abort();
    }
    ASSERT_EQ(connections.size(), 0U);
    ASSERT_EQ(waist.closed, 3);
    if (HasFailure()) return;
  }
}

TEST(ConnectionChaos, WhateverClientAndUpstreamDo) {
  int relayed = 0;
  for (unsigned seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    Dice dice(seed);
    FakeLoop loop;
    FakeRelay relay(loop, net::Address{});
    ServerConnections connections(relay, ServerSettings{});
    std::vector<Peer> clients, upstreams;
    std::size_t known = 0;
    for (; known < 3; ++known) {
      FakeStream& stream = loop.make_stream();
      connections.accept(net::StreamPtr(&stream));
      clients.emplace_back(stream, std::span(requests).first(6));
    }
    for (int step = 0; step < 100; ++step) {
      for (; known < loop.streams(); ++known) {  // opened by the relay
        FakeStream& stream = loop.stream(known);
        upstreams.emplace_back(stream, std::span(responses).first(dice.below(4) == 0 ? 6 : 3));
        if (stream.handler != nullptr && dice.below(8) != 0) stream.handler->on_connected();
      }
      switch (dice.below(6)) {
        case 0:
          loop.turn();
          break;
        case 1:
          loop.pass(milliseconds(dice.below(5) == 0 ? 30'000 : 700));
          break;
        case 2:
        case 3:
          if (!upstreams.empty()) upstreams[dice.below(static_cast<unsigned>(upstreams.size()))].act(dice);
          break;
        default:
          clients[dice.below(3)].act(dice);
          break;
      }
    }
    connections.close_all();
    relayed += static_cast<int>(relay.idle());
    ASSERT_EQ(connections.size(), 0U);
    ASSERT_EQ(relay.closed, 3);
    if (HasFailure()) return;
  }
  EXPECT_GT(relayed, 100) << "the dice never let an exchange succeed";
}

}  // namespace
}  // namespace sluice::http::h1
