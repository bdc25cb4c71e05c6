#include "http/h1/tunnel_stream.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "http/h1/fake_net.h"

namespace sluice::http::h1 {
namespace {

using Goodbye = TunnelEnd::Goodbye;

struct Events final : TunnelEvents {
  TunnelEnd* end = nullptr;
  bool pulls = true;
  std::string bytes;
  int pieces = 0, ends = 0, rooms = 0;
  std::optional<Error> failure;

  void on_bytes(net::Buffer piece) override {
    ++pieces;
    bytes += piece.view();
    if (pulls) end->pull();
  }
  void on_end() override { ++ends; }
  void on_room() override { ++rooms; }
  void on_failed(Error error) override { failure = error; }
};

class TunnelStreamTest : public ::testing::Test, public TunnelStream::Owner {
 protected:
  TunnelStream& open(std::string_view came_behind_the_head = "", bool has_ended = false) {
    net_ = &loop_.make_stream();
    TunnelStream::Legacy legacy{
        .stream = net::StreamPtr(net_), .sent_bytes = 100, .received_bytes = 200, .has_ended = has_ended};
    if (!came_behind_the_head.empty()) {
      net::Buffer early = loop_.make_buffer(came_behind_the_head.size());
      came_behind_the_head.copy(early.block(), came_behind_the_head.size());
      early.set_size(came_behind_the_head.size());
      EXPECT_TRUE(legacy.input.push(std::move(early)));
    }
    tunnel_ = std::make_unique<TunnelStream>(*this, std::move(legacy), events_);
    events_.end = tunnel_.get();
    return *tunnel_;
  }
  void on_tunnel_closed() override {
    ++closed_;
    tunnel_.reset();
  }

  FakeLoop loop_;
  FakeStream* net_ = nullptr;
  Events events_;
  std::unique_ptr<TunnelStream> tunnel_;
  int closed_ = 0;
};

TEST_F(TunnelStreamTest, HandsOnNothingThatWasNotPulled) {
  TunnelStream& tunnel = open();
  net_->give("one");
  EXPECT_EQ(events_.bytes, "");
  EXPECT_EQ(tunnel.received_bytes(), 200u);
  events_.pulls = false;
  tunnel.pull();
  EXPECT_EQ(events_.bytes, "one");
  EXPECT_EQ(tunnel.received_bytes(), 203u);
  net_->give("two");
  EXPECT_EQ(events_.bytes, "one");
  tunnel.pull();
  EXPECT_EQ(events_.bytes, "onetwo");
}

TEST_F(TunnelStreamTest, WhatCameBehindTheHeadComesFirst) {
  TunnelStream& tunnel = open("early ");
  net_->give("late");
  tunnel.pull();
  EXPECT_EQ(events_.bytes, "early late");
}

TEST_F(TunnelStreamTest, PausesWhenItsQueueIsFullAndGoesOnWhenPulled) {
  TunnelStream& tunnel = open();
  const std::string large(8000, 'a');
  net_->give(large);
  EXPECT_FALSE(net_->is_paused);
  net_->give(large);
  EXPECT_TRUE(net_->is_paused);
  tunnel.pull();
  EXPECT_FALSE(net_->is_paused);
  EXPECT_EQ(events_.bytes.size(), 16000u);
}

TEST_F(TunnelStreamTest, AStreamThatDoesNotPauseIsGivenUp) {
  TunnelStream& tunnel = open();
  const std::string large(8000, 'a');
  net_->give(large);
  for (int i = 0; i < 4; ++i) {
    net_->is_paused = false;  // a backend that breaks its promise
    net_->give(large);
  }
  tunnel.pull();
  ASSERT_TRUE(events_.failure);
  EXPECT_EQ(events_.failure->code, Code::exhausted);
  EXPECT_EQ(events_.bytes.size(), 32000u);  // what it had is not lost
}

TEST_F(TunnelStreamTest, TheEndComesAfterTheLastByteAndOnce) {
  TunnelStream& tunnel = open();
  net_->give("last");
  net_->give_end();
  EXPECT_EQ(events_.ends, 0);
  tunnel.pull();
  EXPECT_EQ(events_.bytes, "last");
  EXPECT_EQ(events_.ends, 1);
  tunnel.pull();
  EXPECT_EQ(events_.ends, 1);
  tunnel.send("still");  // half-closed is not closed
  EXPECT_EQ(net_->take_output(), "still");
}

TEST_F(TunnelStreamTest, AnEndThatWasSeenBeforeTheSwitchIsTold) {
  open("x", true).pull();
  EXPECT_EQ(events_.bytes, "x");
  EXPECT_EQ(events_.ends, 1);
}

TEST_F(TunnelStreamTest, AFailureComesAfterWhatWasReceived) {
  TunnelStream& tunnel = open();
  events_.pulls = false;
  net_->give("before");
  net_->fail();
  EXPECT_FALSE(events_.failure);
  tunnel.pull();
  EXPECT_EQ(events_.bytes, "before");
  EXPECT_TRUE(events_.failure);  // needs no pull
}

TEST_F(TunnelStreamTest, NothingIsSentOnceItHasFailed) {
  TunnelStream& tunnel = open();
  tunnel.send("a");
  EXPECT_EQ(tunnel.sent_bytes(), 101u);
  net_->fail();
  EXPECT_TRUE(events_.failure);
  tunnel.send("b");
  net::Buffer buffer = loop_.make_buffer(8);
  buffer.set_size(1);
  tunnel.send(std::move(buffer));
  tunnel.finish();
  tunnel.want_room();
  EXPECT_EQ(net_->output, "a");
  EXPECT_EQ(tunnel.sent_bytes(), 101u);
  EXPECT_EQ(tunnel.unsent_bytes(), 0u);
  EXPECT_FALSE(net_->wants_drained);
}

TEST_F(TunnelStreamTest, TellsOfRoomOnceForEachTimeItIsWanted) {
  TunnelStream& tunnel = open();
  net_->holds_output = true;
  tunnel.send("abc");
  EXPECT_EQ(tunnel.unsent_bytes(), 3u);
  tunnel.want_room();
  loop_.turn();
  EXPECT_EQ(events_.rooms, 0);
  net_->holds_output = false;
  loop_.turn();
  EXPECT_EQ(events_.rooms, 1);
  loop_.turn();
  EXPECT_EQ(events_.rooms, 1);
}

TEST_F(TunnelStreamTest, ClosesAsItIsTold) {
  open("unread").close(Goodbye::flush);
  EXPECT_EQ(net_->goodbye, net::Stream::Goodbye::flush_and_close);
  EXPECT_EQ(closed_, 1);
  open().close(Goodbye::reset);
  EXPECT_EQ(net_->goodbye, net::Stream::Goodbye::abort);
  EXPECT_EQ(closed_, 2);
  EXPECT_EQ(events_.bytes, "");
}

TEST_F(TunnelStreamTest, IsDeletedOnlyWhenNoCallIsOnTheWay) {
  struct Closes final : TunnelEvents {
    TunnelEnd* end = nullptr;
    void on_bytes(net::Buffer) override { end->close(Goodbye::flush); }
    void on_end() override { ADD_FAILURE(); }
    void on_room() override { ADD_FAILURE(); }
    void on_failed(Error) override { ADD_FAILURE(); }
  } closes;
  net_ = &loop_.make_stream();
  tunnel_ = std::make_unique<TunnelStream>(*this, TunnelStream::Legacy{.stream = net::StreamPtr(net_)}, closes);
  closes.end = tunnel_.get();
  tunnel_->pull();
  net_->give("bye");
  EXPECT_EQ(closed_, 1);
  EXPECT_TRUE(net_->is_gone());
}

TEST_F(TunnelStreamTest, ACutIsAFailureAndDropsWhatWaits) {
  open("unread").cut();
  ASSERT_TRUE(events_.failure);
  EXPECT_EQ(events_.failure->side, Side::gateway);
  EXPECT_EQ(events_.bytes, "");
}

}  // namespace
}  // namespace sluice::http::h1
