#include "http/causes.h"
#include "policy/fixture_test.h"

namespace sluice::policies::body_limit {

extern const policy::Kind& kind;

namespace {

using policy::Fixture;
using policy::Verdict;

TEST(BodyLimit, RefusesALargerAnnouncedBodyBeforeTheUpstreamIsAsked) {
  const auto limit = policy::make_policy(kind, "max: 1KiB");
  Fixture larger("POST", "/", "Content-Length: 1025\r\n");
  EXPECT_EQ(limit->on_request(larger.exchange), Verdict::replied);
  EXPECT_EQ(larger.exchange.made_reply().cause, &http::request_body_too_large);
  Fixture equal("POST", "/", "Content-Length: 1024\r\n");
  EXPECT_EQ(limit->on_request(equal.exchange), Verdict::next);
  EXPECT_EQ(equal.told_text(), "at most 1024 bytes\n");
}

TEST(BodyLimit, LeavesABodyOfUnknownLengthToBeCounted) {
  const auto limit = policy::make_policy(kind, "max: 10");
  Fixture chunked("POST", "/", "Transfer-Encoding: chunked\r\n");
  EXPECT_EQ(limit->on_request(chunked.exchange), Verdict::next);
  EXPECT_EQ(chunked.exchange.request_body_limit(), 10U);
}

TEST(BodyLimit, TheLeastOfSeveralCounts) {
  Fixture chunked("POST", "/", "Transfer-Encoding: chunked\r\n");
  for (const char* max : {"max: 30", "max: 10", "max: 20"})
    EXPECT_EQ(policy::make_policy(kind, max)->on_request(chunked.exchange), Verdict::next);
  EXPECT_EQ(chunked.exchange.request_body_limit(), 10U);
}

TEST(BodyLimit, IsOneMebibyteWhenNothingIsSaid) {
  Fixture chunked("POST", "/", "Transfer-Encoding: chunked\r\n");
  EXPECT_EQ(policy::make_policy(kind, "{}")->on_request(chunked.exchange), Verdict::next);
  EXPECT_EQ(chunked.exchange.request_body_limit(), 1U << 20);
}

TEST(BodyLimit, ZeroAdmitsRequestsWithoutABody) {
  const auto limit = policy::make_policy(kind, "max: 0");
  Fixture none("GET", "/"), one("POST", "/", "Content-Length: 1\r\n");
  EXPECT_EQ(limit->on_request(none.exchange), Verdict::next);
  EXPECT_EQ(limit->on_request(one.exchange), Verdict::replied);
}

}  // namespace
}  // namespace sluice::policies::body_limit
