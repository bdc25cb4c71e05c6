#include "gateway/handshake_notes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/tls/fault.h"

namespace sluice::gateway {
namespace {

using net::tls::error_of;
using ::testing::ElementsAre;
using ::testing::SizeIs;

class HandshakeNotesTest : public ::testing::Test {
 protected:
  void fail(const Error& error, int count = 1) {
    for (int i = 0; i < count; ++i) notes.failed(now, "public", client, error);
  }

  std::vector<std::string> told;
  HandshakeNotes notes{[this](std::string line) { told.push_back(std::move(line)); }};
  Instant now{std::chrono::hours(1)};
  const net::Address client = *net::Address::parse("192.0.2.1:4711");
};

TEST_F(HandshakeNotesTest, OfEachReasonTheFirstIsToldAtOnce) {
  fail(error_of(net::tls::fault_not_tls), 100);
  fail(error_of(net::tls::fault_timeout), 100);
  EXPECT_THAT(
      told, ElementsAre(
                "listener public: the TLS handshake with 192.0.2.1:4711 failed: the peer does not speak TLS (not_tls)",
                "listener public: the TLS handshake with 192.0.2.1:4711 failed: the TLS handshake was not "
                "complete in time (timeout)"));
}

TEST_F(HandshakeNotesTest, ThenOneEachPauseWithHowManyWereNot) {
  fail(error_of(net::tls::fault_not_tls), 100);
  now += HandshakeNotes::pause - std::chrono::nanoseconds(1);
  fail(error_of(net::tls::fault_not_tls));
  EXPECT_THAT(told, SizeIs(1));
  now += std::chrono::nanoseconds(1);
  fail(error_of(net::tls::fault_not_tls));
  ASSERT_THAT(told, SizeIs(2));
  EXPECT_THAT(told[1], ::testing::EndsWith("(not_tls); 100 more for this reason since the last such line"));
  now += HandshakeNotes::pause;
  fail(error_of(net::tls::fault_not_tls));
  EXPECT_THAT(told[2], ::testing::EndsWith("(not_tls)"));
}

TEST_F(HandshakeNotesTest, WhatIsWrongWithAClientsCertificateIsSaid) {
  fail({.code = Code::denied, .side = Side::upstream, .what = "certificate revoked"});
  fail({.code = Code::denied, .side = Side::upstream, .what = "certificate has expired"});  // the same reason
  fail({.code = Code::reset, .side = Side::upstream, .what = "the connection was reset"});
  EXPECT_THAT(told, ElementsAre(::testing::EndsWith("failed: certificate revoked (client_certificate)"),
                                ::testing::EndsWith("failed: the connection was reset (other)")));
}

TEST_F(HandshakeNotesTest, WithNobodyToTellNothingIsMade) {
  HandshakeNotes silent(nullptr);
  silent.failed(now, "public", client, error_of(net::tls::fault_not_tls));
}

}  // namespace
}  // namespace sluice::gateway
