#include <gmock/gmock.h>

#include "policy/fixture_test.h"

namespace sluice::policies::headers {

extern const policy::Kind& kind;

namespace {

using policy::Fixture;
using policy::Verdict;
using ::testing::HasSubstr;

TEST(Headers, SetsAddsAndRemovesOnTheRequest) {
  const auto headers = policy::make_policy(kind, "request: {set: {X-Team: edge}, add: {x-tag: b}, remove: x-secret}");
  Fixture it("GET", "/", "X-Team: forged\r\nx-team: twice\r\nx-tag: a\r\nx-secret: 1\r\nX-Other: o\r\n");
  EXPECT_EQ(headers->on_request(it.exchange), Verdict::next);
  EXPECT_EQ(it.sent("x-team"), "edge");
  EXPECT_EQ(it.sent("x-tag"), "a|b");
  EXPECT_EQ(it.sent("x-secret"), "(none)");
  EXPECT_EQ(it.sent("x-other"), "o");
  EXPECT_EQ(it.told_text(), "removed x-secret\nset x-team: edge\nadded x-tag: b\n");
}

// Removing comes first: what is removed and added is replaced.
TEST(Headers, RemoveComesFirst) {
  const auto headers = policy::make_policy(kind, "request: {add: {x-a: new}, remove: [x-a]}");
  Fixture it("GET", "/", "x-a: old\r\n");
  headers->on_request(it.exchange);
  EXPECT_EQ(it.sent("x-a"), "new");
}

TEST(Headers, ChangesTheResponse) {
  const auto headers = policy::make_policy(
      kind, "response: {set: {x-frame-options: DENY}, add: {vary: origin}, remove: [server, x-powered-by]}");
  Fixture it("GET", "/");
  it.response.fields.add(it.arena, "server", "s");
  it.response.fields.add(it.arena, "vary", "accept");
  it.response.fields.add(it.arena, "x-frame-options", "ALLOW");
  headers->on_request(it.exchange);
  headers->on_response(it.exchange);
  EXPECT_EQ(it.returned("server"), "(none)");
  EXPECT_EQ(it.returned("vary"), "accept|origin");
  EXPECT_EQ(it.returned("x-frame-options"), "DENY");
  EXPECT_THAT(it.told_text(), HasSubstr("the response: server is removed\n"));
}

TEST(Headers, ValuesTakeVariables) {
  const auto headers = policy::make_policy(kind, R"(request: {set: {x-a: "{id}-{host}-{request.header.x-b}"}})");
  Fixture it("GET", "/users/42", "X-B: b\r\n");
  it.set_captures({{"id", "42"}});
  it.begin();
  headers->on_request(it.exchange);
  EXPECT_EQ(it.sent("x-a"), "42-a.example-b");
  ASSERT_EQ(headers.context.captures().size(), 1U);
  EXPECT_EQ(headers.context.captures()[0].name, "id");
}

// What is set is what every receiver reads: white space at the ends is no part of a value.
TEST(Headers, ValuesAreTrimmed) {
  const auto headers = policy::make_policy(kind, R"(request: {set: {x-a: "{path} {query}", x-b: "{query}\t{query}"}})");
  Fixture it("GET", "/a");
  headers->on_request(it.exchange);
  EXPECT_EQ(it.sent("x-a"), "/a");
  EXPECT_EQ(it.sent("x-b"), "");
}

TEST(Headers, RefusesFieldsThatTheGatewayWrites) {
  for (const char* name : {"host", "Content-Length", "transfer-encoding", "connection", "te", "upgrade"})
    EXPECT_THAT(policy::diagnose(kind, std::string("request: {set: {") + name + ": x}}"),
                HasSubstr("error[generated_header]"));
  EXPECT_THAT(policy::diagnose(kind, "request: {set: {host: x}}"), HasSubstr("`rewrite: {host: ...}`"));
}

// S26: no value can be written that would end its line.
TEST(Headers, RefusesControlCharacters) {
  EXPECT_THAT(policy::diagnose(kind, R"(response: {set: {x-a: "b\r\nset-cookie: c"}})"),
              HasSubstr("holds a control character"));
  EXPECT_THAT(policy::diagnose(kind, R"(response: {set: {"x a": b}})"), HasSubstr("error[bad_header_name]"));
}

}  // namespace
}  // namespace sluice::policies::headers
