#include "http/websocket/frame_meter.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "http/causes.h"

namespace sluice::http::websocket {
namespace {

using namespace std::chrono_literals;

// One frame as a client (masked) or a server sends it; `first` is the first byte.
std::string frame(unsigned first, std::size_t payload, bool is_masked = true) {
  std::string out{static_cast<char>(first)};
  const unsigned mask = is_masked ? 0x80 : 0;
  if (payload < 126) {
    out += static_cast<char>(mask | payload);
  } else {
    const bool is_long = payload > 0xffff;
    out += static_cast<char>(mask | (is_long ? 127 : 126));
    for (int shift = is_long ? 56 : 8; shift >= 0; shift -= 8) out += static_cast<char>(payload >> shift & 0xff);
  }
  if (is_masked) out += "mask";
  return out.append(payload, 'p');
}

constexpr unsigned text = 0x81, first_fragment = 0x01, fragment = 0x00, last_fragment = 0x80, close = 0x88, ping = 0x89;

struct Meter {
  explicit Meter(FrameLimits with = {}, bool is_masked = true) : limits(with), meter(is_masked) {}

  void take(std::string_view bytes, bool ends_at_frame = false) {
    const auto passage = meter.pass(bytes, limits, counts, now, ends_at_frame);
    if (passage.sends_kept) passed += meter.kept();
    passed += bytes.substr(0, passage.passed);
    breach = passage.breach;
  }
  std::string_view code() const { return breach.cause == nullptr ? "" : breach.cause->code; }

  FrameLimits limits;
  FrameMeter meter;
  FrameCounts counts;
  Instant now{1000s};
  std::string passed;
  Refusal breach{nullptr};
};

TEST(FrameMeter, PassesTheSameWhereverItIsCut) {
  const std::vector<std::string> frames{frame(text, 3),           frame(ping, 0),         frame(first_fragment, 200),
                                        frame(ping, 5),           frame(fragment, 0),     frame(last_fragment, 70'000),
                                        frame(text, 0),           frame(close, 2)};
  std::string all;
  for (const std::string& one : frames) all += one;
  for (std::size_t cut = 1; cut < all.size(); cut = cut < 300 || cut > all.size() - 30 ? cut + 1 : cut + 1009) {
    Meter meter;
    meter.take(std::string_view(all).substr(0, cut));
    ASSERT_TRUE(all.starts_with(meter.passed));
    ASSERT_LE(cut - meter.passed.size(), 13U) << "no more than a header may wait";
    meter.take(std::string_view(all).substr(cut));
    ASSERT_EQ(meter.passed, all) << cut;
    ASSERT_EQ(meter.meter.messages(), 3U);
    ASSERT_TRUE(meter.meter.has_closed() && meter.meter.is_between_frames());
  }
  Meter trickle;
  for (const char c : all) trickle.take({&c, 1});
  EXPECT_EQ(trickle.passed, all);
  const std::array<std::uint64_t, FrameCounts::kinds> wanted{2, 3, 0, 1, 2, 0};
  for (std::size_t kind = 0; kind < wanted.size(); ++kind)
    EXPECT_EQ(trickle.counts.frames[kind].value(), wanted[kind]) << FrameCounts::names[kind];
}

TEST(FrameMeter, WhatPassedEndsBetweenFramesOrInAPayload) {
  Meter meter;
  const std::string both = frame(text, 10) + frame(text, 10);
  meter.take(both.substr(0, 12));
  EXPECT_FALSE(meter.meter.is_between_frames());
  meter.take(both.substr(12, 7));  // the rest of the first, and of the second's header all but three bytes
  EXPECT_TRUE(meter.meter.is_between_frames());
  EXPECT_EQ(meter.passed, frame(text, 10));
  meter.take(both.substr(19), true);  // nothing new may begin, though half a header is there
  EXPECT_EQ(meter.passed, frame(text, 10));
}

TEST(FrameMeter, EndsAtTheFrameThatHasBegun) {
  Meter meter;
  const std::string both = frame(text, 10) + frame(text, 10);
  meter.take(both.substr(0, 8));
  meter.take(both.substr(8), true);
  EXPECT_EQ(meter.passed, frame(text, 10));
  EXPECT_TRUE(meter.meter.is_between_frames());
}

TEST(FrameMeter, RefusesWhatBreaksTheGrammarBeforeItsFirstByte) {
  std::string too_long = frame(text, 70'000);
  too_long[2] = '\x80';
  const std::vector<std::string> broken{frame(0x83, 1),  frame(0x8b, 1),        frame(0x09, 1), frame(ping, 126),
                                        frame(text, 1, false), frame(fragment, 1), too_long};
  for (const std::string& bytes : broken) {
    for (const std::size_t step : {std::size_t{1}, bytes.size()}) {
      Meter meter;
      meter.take(frame(text, 2));
      for (std::size_t at = 0; at < bytes.size() && meter.breach.cause == nullptr; at += step)
        meter.take(std::string_view(bytes).substr(at, step));
      EXPECT_EQ(meter.code(), "websocket_frame_malformed");
      EXPECT_EQ(meter.passed, frame(text, 2));
      EXPECT_TRUE(meter.meter.is_between_frames());
    }
  }
  Meter inside;
  inside.take(frame(first_fragment, 1) + frame(text, 1));
  EXPECT_STREQ(inside.breach.detail, "message inside a message");
  Meter server({}, false);
  server.take(frame(text, 1, false) + frame(text, 1, true));
  EXPECT_STREQ(server.breach.detail, "server frame with a mask");
}

TEST(FrameMeter, MessagesUpToTheirLimit) {
  const FrameLimits limits{.message_bytes = 1000};
  Meter at_limit(limits);
  at_limit.take(frame(text, 1000) + frame(first_fragment, 600) + frame(ping, 100) + frame(last_fragment, 400));
  EXPECT_EQ(at_limit.code(), "");
  EXPECT_EQ(at_limit.meter.messages(), 2U);
  Meter past(limits);
  past.take(frame(text, 1001));
  EXPECT_EQ(past.code(), "websocket_message_too_large");
  EXPECT_EQ(past.passed, "");
  Meter in_fragments(limits);
  in_fragments.take(frame(first_fragment, 600) + frame(last_fragment, 401));
  EXPECT_EQ(in_fragments.code(), "websocket_message_too_large");
  EXPECT_EQ(in_fragments.passed, frame(first_fragment, 600));
  Meter lowered(limits);
  lowered.take(frame(first_fragment, 600));
  lowered.limits.message_bytes = 500;
  lowered.take(frame(last_fragment, 1));
  EXPECT_EQ(lowered.code(), "websocket_message_too_large");
}

TEST(FrameMeter, MessagesUpToTheirRate) {
  for (const Duration pause : {199ms, 200ms}) {  // one of five a second
    Meter meter({.messages = {.count = 5}});
    for (int i = 0; i < 5; ++i) meter.take(frame(text, 1));
    EXPECT_EQ(meter.code(), "");
    meter.now += pause;
    meter.take(frame(text, 1));
    EXPECT_EQ(meter.code(), pause == 200ms ? "" : "websocket_too_many_messages");
    meter.take(frame(text, 1));
    EXPECT_STREQ(meter.breach.detail, "messages");
  }
}

TEST(FrameMeter, SmallFragmentsCountAsMessages) {
  Meter large({.messages = {.count = 3}});
  large.take(frame(first_fragment, 126));
  for (int i = 0; i < 100; ++i) large.take(frame(fragment, 126));
  EXPECT_EQ(large.code(), "");
  Meter small({.messages = {.count = 3}});
  small.take(frame(first_fragment, 126) + frame(fragment, 125) + frame(fragment, 0));
  EXPECT_EQ(small.code(), "");
  small.take(frame(fragment, 0));
  EXPECT_EQ(small.code(), "websocket_too_many_messages");
}

TEST(FrameMeter, ControlFramesUpToTheirRate) {
  Meter meter({.controls = {.count = 2}});
  meter.take(frame(ping, 0) + frame(ping, 0) + frame(text, 1));
  EXPECT_EQ(meter.code(), "");
  meter.take(frame(ping, 0));
  EXPECT_STREQ(meter.breach.detail, "control frames");
}

TEST(CloseFrame, IsWholeAndMaskedForServers) {
  EXPECT_EQ(close_to_client(1001).view(), std::string_view("\x88\x02\x03\xe9", 4));
  const CloseFrame masked = close_to_server(1012, 0x12345678);
  const std::string_view bytes = masked.view();
  ASSERT_EQ(bytes.size(), 8U);
  const auto unmasked = [&](std::size_t i) { return static_cast<unsigned char>(bytes[6 + i] ^ bytes[2 + i]); };
  EXPECT_EQ(unmasked(0) << 8 | unmasked(1), 1012);
  Meter meter;
  meter.take(bytes);
  EXPECT_TRUE(meter.meter.has_closed());
}

}  // namespace
}  // namespace sluice::http::websocket
