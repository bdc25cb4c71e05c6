#include "control/url.h"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

TEST(Url, IsTakenApart) {
  const auto plain = Url::parse("http://OCSP.Example");
  ASSERT_TRUE(plain);
  EXPECT_FALSE(plain->is_secure);
  EXPECT_EQ(plain->host, "ocsp.example");
  EXPECT_EQ(plain->port, 80);
  EXPECT_EQ(plain->target, "/");
  const auto secure = Url::parse("https://[::1]:8443/keys/1?v=2&w=%20");
  ASSERT_TRUE(secure);
  EXPECT_TRUE(secure->is_secure);
  EXPECT_EQ(secure->host, "::1");
  EXPECT_EQ(secure->port, 8443);
  EXPECT_EQ(secure->authority, "[::1]:8443");
  EXPECT_EQ(secure->target, "/keys/1?v=2&w=%20");
  const auto query = Url::parse("https://a?x");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->port, 443);
  EXPECT_EQ(query->target, "/?x");
}

TEST(Url, WhatIsNoneOrMayNotBeAsked) {
  for (const char* const text :
       {"", "a.example", "ftp://a/", "file:///etc/passwd", "http://", "http:///x", "http://u@a/", "http://u:p@a/",
        "http://a:0/", "http://a:65536/", "http://a:80x/", "http://a:/", "http://[::1/", "http://[::1]80/",
        "http://a/b c", "http://a/\r\nx: y", "http://a/#b", "http://a\x7f/", "HTTP://a/"})
    EXPECT_FALSE(Url::parse(text)) << text;
}

}  // namespace
}  // namespace sluice::control
