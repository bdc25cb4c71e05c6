#include "policy/exchange.h"

#include "policy/fixture_test.h"

namespace sluice::policy {
namespace {

constexpr Cause full{"full", 503, Side::gateway, "full", "For this test."};

TEST(PolicyExchange, BeginsWithACopyOfTheCanonicalRequest) {
  Fixture it("POST", "/a/./b?c", "X-A: 1\r\nContent-Length: 3\r\nConnection: close\r\n");
  const http::RequestHead& sent = it.exchange.upstream_request();
  EXPECT_EQ(sent.method, "POST");
  EXPECT_EQ(sent.authority, "a.example");
  EXPECT_EQ(sent.path, "/a/b");
  EXPECT_TRUE(sent.has_query);
  EXPECT_EQ(sent.query, "c");
  EXPECT_EQ(sent.body.bytes, 3);
  EXPECT_EQ(it.sent("x-a"), "1");
  EXPECT_EQ(it.sent("connection"), "(none)");
}

TEST(PolicyExchange, TheCanonicalRequestStaysAsItIs) {
  Fixture it("GET", "/", "X-A: 1\r\n");
  it.exchange.set_request_field("x-a", "2");
  it.exchange.set_request_field("x-b", "3");
  EXPECT_EQ(it.sent("x-a"), "2");
  EXPECT_EQ(Fixture::values(it.exchange.request().fields, "x-a"), "1");
  EXPECT_EQ(Fixture::values(it.exchange.request().fields, "x-b"), "(none)");
}

TEST(PolicyExchange, NothingOfTheOneBeforeIsLeft) {
  Fixture it("GET", "/", "X-A: 1\r\n");
  it.exchange.set_request_field("x-a", "2");
  it.exchange.set_id("one");
  it.exchange.set_client(*net::Address::parse_ip("10.0.0.1"));
  it.exchange.set_client_scheme(http::Scheme::https);
  it.exchange.limit_request_body(1);
  it.exchange.reply(full);
  it.begin();
  EXPECT_EQ(it.sent("x-a"), "1");
  EXPECT_EQ(it.exchange.id(), "fedcba9876543210");  // the fixture's random number
  EXPECT_EQ(it.exchange.client().ip_text(), "192.0.2.7");
  EXPECT_EQ(it.exchange.client_scheme(), http::Scheme::http);
  EXPECT_EQ(it.exchange.request_body_limit(), ~std::uint64_t{0});
  EXPECT_FALSE(it.exchange.has_reply());
}

TEST(PolicyExchange, AnEmptyCaptureIsNoAbsentOne) {
  Fixture it("GET", "/");
  it.set_captures({{"rest", {}}, {"id", "42"}});
  it.begin();
  EXPECT_EQ(it.exchange.capture("id"), "42");
  EXPECT_EQ(it.exchange.capture("rest"), "");
  EXPECT_NE(it.exchange.capture("rest").data(), nullptr);
  EXPECT_EQ(it.exchange.capture("name").data(), nullptr);
}

TEST(PolicyExchange, RepliesWithACauseOrWithWhatTheConfigSays) {
  Fixture it("GET", "/");
  it.exchange.reply(full, "no room");
  EXPECT_EQ(it.exchange.made_reply().status, 503);
  EXPECT_EQ(it.exchange.made_reply().cause, &full);
  EXPECT_STREQ(it.exchange.made_reply().detail, "no room");
  it.exchange.reply(200, "text/plain", "hello");
  it.exchange.add_reply_field("x-a", "1");
  EXPECT_EQ(it.exchange.made_reply().cause, nullptr);
  EXPECT_EQ(it.exchange.made_reply().body, "hello");
  EXPECT_EQ(it.answered("x-a"), "1");
}

TEST(PolicyExchange, TellsOnlyWhoListens) {
  Fixture it("GET", "/");
  EXPECT_TRUE(it.exchange.is_heard());
  it.exchange.tell("decided");
  EXPECT_EQ(it.told_text(), "decided\n");
  it.exchange.listen(nullptr);
  EXPECT_FALSE(it.exchange.is_heard());
  it.exchange.tell("unheard");
  EXPECT_EQ(it.told_text(), "decided\n");
}

}  // namespace
}  // namespace sluice::policy
