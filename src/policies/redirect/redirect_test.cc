#include <gmock/gmock.h>

#include "http/causes.h"
#include "policy/fixture_test.h"

namespace sluice::policies::redirect {

extern const policy::Kind& kind;

namespace {

using policy::Fixture;
using policy::Verdict;
using ::testing::HasSubstr;

// "STATUS LOCATION", or why there is none.
std::string redirected(std::string_view yaml, Fixture& it) {
  EXPECT_EQ(policy::make_policy(kind, yaml)->on_request(it.exchange), Verdict::replied);
  const auto& reply = it.exchange.made_reply();
  if (reply.cause == nullptr) return std::to_string(reply.status) + " " + it.answered("location");
  EXPECT_EQ(reply.cause, &http::request_target_refused);
  return reply.detail;
}
std::string redirected(std::string_view yaml, std::string_view target, std::string_view fields = "") {
  Fixture it("GET", target, fields);
  return redirected(yaml, it);
}

TEST(Redirect, PutsVariablesIntoTheLocation) {
  EXPECT_EQ(redirected(R"(to: "https://{host}{path}")", "/a/b"), "308 https://a.example/a/b");
  EXPECT_EQ(redirected("{to: /new, status: 302}", "/old"), "302 /new");
}

TEST(Redirect, KeepsTheQueryUnlessTheLocationHasOne) {
  EXPECT_EQ(redirected("to: /new", "/old?a=1&b"), "308 /new?a=1&b");
  EXPECT_EQ(redirected("to: /new", "/old?"), "308 /new?");
  EXPECT_EQ(redirected("to: /new", "/old"), "308 /new");
  EXPECT_EQ(redirected("to: /new?x=y", "/old?a=1"), "308 /new?x=y");
  EXPECT_EQ(redirected("to: \"/new?{query}\"", "/old?a=1"), "308 /new?a=1");
  EXPECT_EQ(redirected("to: /new#top", "/old?a=1"), "308 /new#top");
  EXPECT_EQ(redirected("{to: /new, keep_query: false}", "/old?a=1"), "308 /new");
  EXPECT_EQ(redirected("{to: /new?x=y, keep_query: true}", "/old?a=1"), "308 /new?x=y&a=1");
}

// O02: a path of this host stays one.
TEST(Redirect, VariablesCannotNameAnotherHost) {
  const char* const yaml = R"(to: "/{request.header.next}")";
  EXPECT_EQ(redirected(yaml, "/", "next: home\r\n"), "308 /home");
  EXPECT_EQ(redirected(yaml, "/", "next: /evil.com\r\n"), "the Location would name another host");
  for (const char* next : {"\\evil.com", "a\tb", "a b", "a\xc3\xa4"})
    EXPECT_THAT(redirected(yaml, "/", "next: " + std::string(next) + "\r\n"),
                HasSubstr("character that no URL may hold"))
        << next;
}

TEST(Redirect, AURLHasAHost) {
  Fixture old("GET /evil.com HTTP/1.0\r\n\r\n");
  EXPECT_EQ(redirected(R"(to: "https://{host}{path}")", old), "the Location would have no host");
}

// S26: an encoded line end never becomes one.
TEST(Redirect, EscapesStayEscaped) {
  EXPECT_EQ(redirected(R"(to: "https://{host}{path}")", "/a?x=%0d%0aSet-Cookie:b"),
            "308 https://a.example/a?x=%0d%0aSet-Cookie:b");
}

TEST(Redirect, ReportsMistakesOfTheConfig) {
  const std::pair<const char*, const char*> mistakes[] = {
      {"{}", "error[missing_key]"},
      {"to: \"\"", "the Location is empty"},
      {"{to: /a, status: 200}", "no status of a redirect"},
      {"to: example.com/a", "is neither a URL nor a path"},
      {"to: \"https://$host$request_uri\"", "variables are written `{host}`"},
      {"to: https:///a", "no good host name"},
      {"to: \"/a b\"", "a space is `%20`"},
      {"to: \"/a\\\\b\"", "character that no URL may hold"},
      {"to: \"/a\\r\\nx: y\"", "holds a control character"},
      {"{to: /a#b, keep_query: true}", "behind the `#`"},
      {"to: \"/{request.header.host}\"", "the Host is `{host}`"},
  };
  for (const auto& [yaml, told] : mistakes) EXPECT_THAT(policy::diagnose(kind, yaml), HasSubstr(told)) << yaml;
}

}  // namespace
}  // namespace sluice::policies::redirect
