#include <gmock/gmock.h>

#include "http/causes.h"
#include "policy/fixture_test.h"

namespace sluice::policies::rewrite {

extern const policy::Kind& kind;

namespace {

using policy::Fixture;
using policy::Verdict;
using ::testing::HasSubstr;

// The path that the upstream sees, or why there is none.
std::string rewritten(std::string_view yaml, Fixture& it) {
  const auto rewrite = policy::make_policy(kind, yaml);
  if (rewrite->on_request(it.exchange) == Verdict::next) return std::string(it.exchange.upstream_request().path);
  EXPECT_EQ(it.exchange.made_reply().cause, &http::request_target_refused);
  return it.exchange.made_reply().detail;
}

std::string with_rest(std::string_view prefix, std::string_view target, std::string_view rest) {
  Fixture it("GET", target);
  it.facts.has_rest = true;
  it.facts.rest = rest;
  it.begin();
  return rewritten("prefix: " + std::string(prefix), it);
}

std::string with_capture(std::string_view yaml, std::string_view value) {
  Fixture it("GET", "/");
  it.set_captures({{"x", value}});
  it.begin();
  return rewritten(yaml, it);
}

TEST(Rewrite, PutsCapturesIntoThePath) {
  Fixture it("GET", "/users/42?a=1");
  it.set_captures({{"id", "42"}});
  it.begin();
  EXPECT_EQ(rewritten(R"(path: "/v2/users/{id}")", it), "/v2/users/42");
  EXPECT_EQ(it.exchange.upstream_request().query, "a=1");
  EXPECT_EQ(it.told_text(), "path is /v2/users/42\n");
}

TEST(Rewrite, ReplacesThePrefix) {
  EXPECT_EQ(with_rest("/", "/api/a/b", "a/b"), "/a/b");
  EXPECT_EQ(with_rest("/v2", "/api/a", "a"), "/v2/a");
  EXPECT_EQ(with_rest("/v2/", "/api/a/", "a/"), "/v2/a/");
  EXPECT_EQ(with_rest("/v2", "/api", ""), "/v2");
  EXPECT_EQ(with_rest("/v2", "/api/", ""), "/v2/");
  EXPECT_EQ(with_rest("/", "/api", ""), "/");
}

TEST(Rewrite, AsksForAPathWithAPrefix) {
  const auto rewrite = policy::make_policy(kind, "prefix: /v2");
  ASSERT_EQ(rewrite.context.captures().size(), 1U);
  EXPECT_EQ(rewrite.context.captures()[0].name, "");
  EXPECT_TRUE(rewrite.context.captures()[0].place.is_known());
}

// P06: variables cannot make a path leave the place that the config gives it.
TEST(Rewrite, RefusesDotSegmentsThatVariablesMake) {
  for (const char* value : {"../admin", "..", ".", "a/../../admin", "%2e%2E/admin", "a/.%2e"})
    EXPECT_EQ(with_capture(R"(path: "/files/{x}/data")", value), "the rewritten path holds a dot segment") << value;
  EXPECT_EQ(with_capture(R"(path: "/files/.{x}")", ""), "the rewritten path holds a dot segment");
  EXPECT_EQ(with_capture(R"(path: "/files/.{x}")", "a"), "/files/.a");
  EXPECT_EQ(with_capture(R"(path: "/files/{x}")", "..."), "/files/...");
}

TEST(Rewrite, RefusesWhatHasNoCanonicalForm) {
  for (const char* value : {"a b", "a?b", "a#b", "a\\b", "%zz", "%00", "..;x", "\xc3\xa4"})
    EXPECT_EQ(with_capture(R"(path: "/files/{x}")", value), "the rewritten path has no canonical form") << value;
}

TEST(Rewrite, RefusesAnEncodedSlashThatOnlyAVariableBrings) {
  EXPECT_THAT(with_capture(R"(path: "/files/{x}")", "a%2fb"), HasSubstr("encoded slash"));
  EXPECT_EQ(with_capture(R"(path: "/files%2f{x}")", "a"), "/files%2Fa");
  Fixture kept("GET", "/a%2Fb");  // the route keeps them, or the policy would not have been asked
  kept.set_captures({{"x", "a%2Fb"}});
  kept.begin();
  EXPECT_EQ(rewritten(R"(path: "/files/{x}")", kept), "/files/a%2Fb");
}

TEST(Rewrite, ChangesTheHost) {
  Fixture it("GET", "/a", "X-Tenant: Blue\r\n");
  EXPECT_EQ(rewritten(R"(host: "{request.header.x-tenant}.internal:8080")", it), "/a");
  EXPECT_EQ(it.exchange.upstream_request().authority, "blue.internal:8080");
}

TEST(Rewrite, RefusesAHostThatIsNone) {
  Fixture it("GET", "/a", "X-Tenant: evil.com/#\r\n");
  const auto rewrite = policy::make_policy(kind, R"(host: "{request.header.x-tenant}.internal")");
  EXPECT_EQ(rewrite->on_request(it.exchange), Verdict::replied);
  EXPECT_EQ(it.exchange.made_reply().cause, &http::request_target_refused);
  EXPECT_EQ(it.told_text(), "host would be evil.com/#.internal\n");
}

TEST(Rewrite, ReportsMistakesOfTheConfig) {
  const std::pair<const char*, const char*> mistakes[] = {
      {"{}", "nothing is rewritten"},
      {"{path: /a, prefix: /b}", "exclude each other"},
      {"path: a", "does not start with `/`"},
      {"path: /a?b=c", "no `?` and no `#`"},
      {"path: /a/../b", "`..` segment"},
      {"path: \"/a b\"", "character not allowed in a path"},
      {"path: /%zz", "broken percent-escape"},
      {"prefix: a", "does not start with `/`"},
      {"prefix: \"/v2/{id}\"", "variables go into `path`"},
      {"prefix: /..", "`..` segment"},
      {"host: a b", "character not allowed in a host name"},
      {"host: \"a:99999\"", "port is not a number"},
      {"path: \"/{client.port}\"", "there is no such variable"},
  };
  for (const auto& [yaml, told] : mistakes) EXPECT_THAT(policy::diagnose(kind, yaml), HasSubstr(told)) << yaml;
}

}  // namespace
}  // namespace sluice::policies::rewrite
