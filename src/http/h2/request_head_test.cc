#include "http/h2/request_head.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "http/causes.h"

namespace sluice::http::h2 {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

class RequestHeadTest : public testing::Test {
 protected:
  Refusal read(const Fields& fields, bool is_whole = true) {
    head_.start(arena_, limits_);
    for (const auto& [name, value] : fields) (void)head_.add(name, value);  // what is dropped is refused at the end
    return head_.finish(is_whole);
  }
  std::string code(const Fields& fields) {
    const Refusal refusal = read(fields);
    return refusal.cause == nullptr ? "" : refusal.cause->code;
  }
  static Fields with(Fields extra, std::string path = "/") {
    Fields all{{":method", "GET"}, {":scheme", "https"}, {":path", std::move(path)}, {":authority", "A.example:8080"}};
    all.insert(all.end(), extra.begin(), extra.end());
    return all;
  }

  Arena arena_;
  HeadLimits limits_;
  RequestHeadReader head_;
};

TEST_F(RequestHeadTest, IsCanonical) {
  ASSERT_EQ(read(with({{"x-a", "b"}, {"te", "trailers"}}, "/a/./b%41?c=%41")).cause, nullptr);
  const Request& request = head_.request();
  EXPECT_EQ(request.path, "/a/bA");
  EXPECT_EQ(request.query, "c=%41");
  EXPECT_EQ(request.authority, "a.example:8080");
  EXPECT_EQ(request.port, 8080);
  EXPECT_EQ(request.fields.size(), 1U);
  EXPECT_TRUE(request.is_http2);
  EXPECT_TRUE(request.body.is_empty());
  EXPECT_TRUE(request.wants_trailers);
}

TEST_F(RequestHeadTest, S04ALengthOfNothingIsNoneBeforeTheStreamHasEnded) {
  ASSERT_EQ(read(with({{"content-length", "0"}}), false).cause, nullptr);
  EXPECT_TRUE(head_.request().body.is_unknown());
  ASSERT_EQ(read(with({{"content-length", "5"}}), false).cause, nullptr);
  EXPECT_EQ(head_.request().body.bytes, 5);
  head_.start(arena_, limits_);
  for (const auto& [name, value] : with({{"content-length", "0"}})) (void)head_.add(name, value);
  ASSERT_EQ(head_.finish(false, true).cause, nullptr);
  EXPECT_TRUE(head_.request().body.is_empty());
}

TEST_F(RequestHeadTest, CookieCrumbsAreOneField) {
  ASSERT_EQ(
      read(with({{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2"}, {"cookie", ""}, {"cookie", std::string(500, 'c')}}))
          .cause,
      nullptr);
  EXPECT_EQ(head_.request().fields[0].value, "a=1; b=2; ; " + std::string(500, 'c'));
  EXPECT_EQ(head_.request().fields.size(), 2U);
  ASSERT_EQ(read(with({{"cookie", ""}, {"cookie", "a"}})).cause, nullptr);
  EXPECT_EQ(head_.request().fields[0].value, "; a");
}

TEST_F(RequestHeadTest, BodySizes) {
  ASSERT_EQ(read(with({}), false).cause, nullptr);
  EXPECT_TRUE(head_.request().body.is_unknown());
  ASSERT_EQ(read(with({{"content-length", "7"}, {"expect", "100-continue"}}), false).cause, nullptr);
  EXPECT_EQ(head_.request().body.bytes, 7);
  EXPECT_TRUE(head_.request().expects_continue);
}

TEST_F(RequestHeadTest, H08OneNameForOneTarget) {
  EXPECT_EQ(code(with({{"host", "a.EXAMPLE:8080"}})), "");
  EXPECT_EQ(code(with({{"host", "b"}})), "request_malformed");
  EXPECT_EQ(code(with({{"host", "a.example"}})), "request_malformed") << "another port";
  EXPECT_EQ(code(with({{"host", "a.example:8080"}, {"host", "a.example:8080"}})), "request_malformed");
  EXPECT_EQ(code({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", "h"}}), "");
  EXPECT_EQ(head_.request().host, "h");
  EXPECT_EQ(code({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}}), "request_malformed");
}

TEST_F(RequestHeadTest, WhatHasNoOneMeaningIsRefused) {
  EXPECT_EQ(code(with({}, "/a%2")), "request_target_refused");
  EXPECT_EQ(code(with({}, "/../a")), "request_target_refused");
  EXPECT_EQ(code(with({}, "a")), "request_target_refused");
  EXPECT_EQ(code(with({}, "*")), "request_target_refused");
  EXPECT_EQ(code(with({}, "/a#b")), "request_target_refused");
  EXPECT_EQ(code(with({}, "/a b")), "request_malformed");
  EXPECT_EQ(code(with({{"x_a", "b"}})), "request_malformed");
  EXPECT_EQ(code(with({{"content-length", "+1"}})), "request_malformed");
  EXPECT_EQ(code(with({{"expect", "y"}})), "request_expectation_failed");
  EXPECT_EQ(code({{":method", "CONNECT"}, {":authority", "h:1"}}), "request_method_unsupported");
  EXPECT_EQ(code({{":method", "GET"}, {":scheme", "ftp"}, {":path", "/"}, {":authority", "h"}}), "request_malformed");
}

TEST_F(RequestHeadTest, H05LimitsAreKeptWhileReading) {
  limits_.fields = 3;
  EXPECT_EQ(code(with({{"a", ""}, {"cookie", "b"}, {"cookie", "c"}})), "");
  EXPECT_EQ(code(with({{"a", ""}, {"cookie", "b"}, {"cookie", "c"}, {"cookie", "d"}})), "request_header_too_large");
  EXPECT_EQ(code(with({{"a", ""}, {"b", ""}, {"c", ""}, {"host", "a.example:8080"}})), "request_header_too_large")
      << "H11: Host is a field";
  limits_ = {};
  limits_.head_bytes = 4 * 64 + 7 + 3 + 7 + 5 + 5 + 1 + 10 + 14 + 100;  // the pseudo fields, and 36 bytes of another
  EXPECT_EQ(code(with({{"a", std::string(35, 'b')}})), "");
  EXPECT_EQ(code(with({{"a", std::string(36, 'b')}})), "request_header_too_large");
  const std::size_t used = arena_.used_bytes();
  head_.start(arena_, limits_);
  for (int i = 0; i < 10'000; ++i) EXPECT_FALSE(head_.add("a", std::string(1000, 'b')));
  EXPECT_LE(arena_.used_bytes(), used + 4096) << "what is beyond is not held";
}

}  // namespace
}  // namespace sluice::http::h2
