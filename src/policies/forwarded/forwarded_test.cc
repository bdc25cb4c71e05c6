#include <gmock/gmock.h>

#include "policy/fixture_test.h"

namespace sluice::policies::forwarded {

extern const policy::Kind& kind;

namespace {

using policy::Fixture;
using policy::Verdict;
using ::testing::HasSubstr;

constexpr const char* trusting = "trusted: [10.0.0.0/8, \"fd00::/8\"]";

struct Seen {
  std::string client, scheme, for_, proto, host, forwarded;
};
Seen run(std::string_view yaml, std::string_view peer, std::string_view fields) {
  Fixture it("GET", "/", fields);
  it.set_peer(peer);
  it.begin();
  EXPECT_EQ(policy::make_policy(kind, yaml)->on_request(it.exchange), Verdict::next);
  return {it.exchange.client().ip_text(), it.exchange.client_scheme() == http::Scheme::https ? "https" : "http",
          it.sent("x-forwarded-for"),     it.sent("x-forwarded-proto"),
          it.sent("x-forwarded-host"),    it.sent("forwarded")};
}
// The client that a trusted peer vouches for.
std::string client(std::string_view fields) { return run(trusting, "10.0.0.1", fields).client; }

TEST(Forwarded, TellsWhoThePeerIs) {
  const Seen seen = run("{}", "192.0.2.7", "");
  EXPECT_EQ(seen.for_, "192.0.2.7");
  EXPECT_EQ(seen.proto, "http");
  EXPECT_EQ(seen.host, "a.example");
  EXPECT_EQ(seen.forwarded, "(none)");
}

// I4, J12: nobody is trusted unless the config says so.
TEST(Forwarded, RemovesTheClaimsOfAStranger) {
  Fixture it(
      "GET", "/",
      "X-Forwarded-For: 1.1.1.1\r\nx-forwarded-for: 2.2.2.2\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n"
      "X-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /admin\r\nX-Forwarded-Uri: /admin\r\nX-Real-IP: 1.1.1.1\r\n"
      "Forwarded: for=1.1.1.1\r\nX-Forwarder: stays\r\n");
  policy::make_policy(kind, trusting)->on_request(it.exchange);
  EXPECT_EQ(it.exchange.client().ip_text(), "192.0.2.7");
  EXPECT_EQ(it.exchange.client_scheme(), http::Scheme::http);
  EXPECT_EQ(it.sent("x-forwarded-for"), "192.0.2.7");
  EXPECT_EQ(it.sent("x-forwarded-proto"), "http");
  EXPECT_EQ(it.sent("x-forwarded-host"), "a.example");
  for (const char* name : {"x-forwarded-port", "x-forwarded-prefix", "x-forwarded-uri", "x-real-ip", "forwarded"})
    EXPECT_EQ(it.sent(name), "(none)") << name;
  EXPECT_EQ(it.sent("x-forwarder"), "stays");
  EXPECT_EQ(it.told_text(), "client is 192.0.2.7\n");
}

TEST(Forwarded, BelievesATrustedProxy) {
  const Seen seen = run(trusting, "10.0.0.1",
                        "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b.example\r\n");
  EXPECT_EQ(seen.client, "203.0.113.9");
  EXPECT_EQ(seen.scheme, "https");
  EXPECT_EQ(seen.for_, "203.0.113.9, 10.0.0.1");
  EXPECT_EQ(seen.proto, "https");
  EXPECT_EQ(seen.host, "b.example");
}

TEST(Forwarded, WalksTheListFromTheRight) {
  EXPECT_EQ(client("X-Forwarded-For: 1.1.1.1, 203.0.113.9, 10.0.0.2\r\n"), "203.0.113.9");
  EXPECT_EQ(client("X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 203.0.113.9, 10.0.0.2\r\n"), "203.0.113.9");
  EXPECT_EQ(client("X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 10.0.0.2\r\n"), "203.0.113.9");
  EXPECT_EQ(client("X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n"), "10.0.0.3");  // all trusted: the farthest
  EXPECT_EQ(client(""), "10.0.0.1");
}

TEST(Forwarded, ReadsAddressesAsProxiesWriteThem) {
  EXPECT_EQ(client("X-Forwarded-For: 203.0.113.9:4711\r\n"), "203.0.113.9");
  EXPECT_EQ(client("X-Forwarded-For: 2001:db8::1\r\n"), "2001:db8::1");
  EXPECT_EQ(client("X-Forwarded-For: [2001:db8::1]:4711, fd00::2\r\n"), "2001:db8::1");
  EXPECT_EQ(client("X-Forwarded-For: \t203.0.113.9 ,10.0.0.2\r\n"), "203.0.113.9");
  EXPECT_EQ(client("X-Forwarded-For: ::ffff:203.0.113.9\r\n"), "203.0.113.9");
}

TEST(Forwarded, StopsAtWhatIsNoAddress) {
  EXPECT_EQ(client("X-Forwarded-For: 1.1.1.1, unknown, 10.0.0.2\r\n"), "10.0.0.2");
  for (const char* list :
       {"", ",", "unknown", "1.1.1", "1.1.1.1 2.2.2.2", "01.1.1.1", "1.1.1.1;", "1.1.1.1,", "fe80::1%eth0"})
    EXPECT_EQ(client("X-Forwarded-For: " + std::string(list) + "\r\n"), "10.0.0.1") << list;
}

TEST(Forwarded, ReadsRfc7239) {
  EXPECT_EQ(client("Forwarded: for=203.0.113.9;proto=https\r\n"), "203.0.113.9");
  EXPECT_EQ(client("Forwarded: for=1.1.1.1, By=x; For=\"[2001:db8::1]:4711\", for=10.0.0.2\r\n"), "2001:db8::1");
  EXPECT_EQ(client("Forwarded: for=1.1.1.1\r\nForwarded: for=203.0.113.9\r\n"),
            "203.0.113.9");  // the last line is the nearest
  EXPECT_EQ(client("Forwarded: for=1.1.1.1, for=_hidden\r\n"), "10.0.0.1");
  EXPECT_EQ(client("Forwarded: proto=https\r\n"), "10.0.0.1");
  EXPECT_EQ(client("Forwarded: for=1.1.1.1\r\nX-Forwarded-For: 203.0.113.9\r\n"), "203.0.113.9");
}

TEST(Forwarded, WritesRfc7239WhenTold) {
  EXPECT_EQ(run("rfc7239: true", "192.0.2.7", "Forwarded: for=1.1.1.1\r\n").forwarded,
            "for=192.0.2.7;host=\"a.example\";proto=http");
  EXPECT_EQ(run("{rfc7239: true, trusted: 10.0.0.1}", "10.0.0.1", "Forwarded: for=203.0.113.9\r\n").forwarded,
            "for=203.0.113.9, for=10.0.0.1;host=\"a.example\";proto=http");
  EXPECT_EQ(run("rfc7239: true", "2001:db8::1", "").forwarded, "for=\"[2001:db8::1]\";host=\"a.example\";proto=http");
}

TEST(Forwarded, WritesNothingButStillRemoves) {
  const Seen seen = run("x_forwarded: false", "192.0.2.7", "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\n");
  EXPECT_EQ(seen.for_, "(none)");
  EXPECT_EQ(seen.proto, "(none)");
  EXPECT_EQ(seen.host, "(none)");
}

TEST(Forwarded, ReportsWhatIsNoAddressBlock) {
  for (const char* block : {"10.0.0.0/33", "10.0.0", "all", "10.0.0.1/8"})
    EXPECT_THAT(policy::diagnose(kind, std::string("trusted: [") + block + "]"), HasSubstr("error[bad_address]"))
        << block;
}

TEST(Forwarded, ATrustedHostOnSeveralLinesIsOneList) {
  const auto forwarded = policy::make_policy(kind, "trusted: 192.0.2.0/24");
  Fixture it("GET", "/", "X-Forwarded-Host: b.example\r\nX-Other: 1\r\nX-Forwarded-Host: c.example\r\n");
  forwarded->on_request(it.exchange);
  EXPECT_EQ(it.sent("x-forwarded-host"), "b.example, c.example");
}

}  // namespace
}  // namespace sluice::policies::forwarded
