#include <gmock/gmock.h>

#include "policy/fixture_test.h"

namespace sluice::policies::respond {

extern const policy::Kind& kind;

namespace {

using policy::Fixture;
using policy::Verdict;
using ::testing::HasSubstr;

TEST(Respond, AnswersWithWhatTheConfigSays) {
  const auto respond = policy::make_policy(
      kind,
      R"({status: 503, body: "{\"down\":true}", content_type: application/json, headers: {retry-after: "60", x-path: "{path}"}})");
  Fixture it("GET", "/a");
  EXPECT_EQ(respond->on_request(it.exchange), Verdict::replied);
  const auto& reply = it.exchange.made_reply();
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.cause, nullptr);
  EXPECT_EQ(reply.body, R"({"down":true})");
  EXPECT_EQ(reply.content_type, "application/json");
  EXPECT_EQ(it.answered("retry-after"), "60");
  EXPECT_EQ(it.answered("x-path"), "/a");
  EXPECT_EQ(it.told_text(), "503 with 13 bytes\n");
}

TEST(Respond, SendsNoContentTypeWithoutABody) {
  Fixture it("GET", "/a");
  policy::make_policy(kind, "status: 204")->on_request(it.exchange);
  EXPECT_EQ(it.exchange.made_reply().status, 204);
  EXPECT_EQ(it.exchange.made_reply().content_type, "");
}

TEST(Respond, ReportsMistakesOfTheConfig) {
  const std::pair<const char*, const char*> mistakes[] = {
      {"status: 100", "want 200 to 599"},
      {"{status: 204, body: a}", "this status has no body"},
      {"{status: 205, body: a}", "this status has no body"},
      {"{status: 304, body: a}", "this status has no body"},
      {"{body: a, headers: {Content-Type: b}}", "use `content_type`"},
      {"{body: a, headers: {date: b}}", "Date is the gateway's own"},
      {R"({body: a, content_type: "a\nb"})", "holds a control character"},
      {"{body: a, headers: {content-length: \"3\"}}", "error[generated_header]"},
  };
  for (const auto& [yaml, told] : mistakes) EXPECT_THAT(policy::diagnose(kind, yaml), HasSubstr(told)) << yaml;
}

}  // namespace
}  // namespace sluice::policies::respond
