#include <gmock/gmock.h>

#include "policy/fixture_test.h"

namespace sluice::policies::request_id {

extern const policy::Kind& kind;

namespace {

using policy::Fixture;
using policy::Verdict;

// What the fixture's clock and random number make: UUID version 7 (RFC 9562 section 5.7).
constexpr std::string_view made_id = "01234567-89ab-7000-bfb7-2ea61d950c84";

// The id of a request with these fields.
std::string id_of(std::string_view fields, std::string_view yaml = "{}") {
  Fixture it("GET", "/", fields);
  EXPECT_EQ(policy::make_policy(kind, yaml)->on_request(it.exchange), Verdict::next);
  EXPECT_EQ(it.exchange.id(), it.sent("x-request-id"));
  return std::string(it.exchange.id());
}
std::string id_of_sent(std::string_view id) { return id_of("X-Request-Id: " + std::string(id) + "\r\n"); }

TEST(RequestId, IsMadeWhenTheClientSendsNone) { EXPECT_EQ(id_of(""), made_id); }

TEST(RequestId, TakesTheClientsOver) {
  EXPECT_EQ(id_of_sent("abc-123"), "abc-123");
  EXPECT_EQ(id_of_sent("aZ09-_.:+/=@"), "aZ09-_.:+/=@");
  EXPECT_EQ(id_of_sent(std::string(128, 'a')), std::string(128, 'a'));
}

TEST(RequestId, ReplacesWhatIsNoId) {
  EXPECT_EQ(id_of_sent(std::string(129, 'a')), made_id);
  for (const char* id : {"", "a b", "a,b", "a\"b", "<script>", "\xc3\xa4", "{a}", "a;b", "a%0d%0ab"})
    EXPECT_EQ(id_of_sent(id), made_id) << id;
  EXPECT_EQ(id_of("X-Request-Id: a\r\nX-Request-Id: a\r\n"), made_id);  // two are none
}

TEST(RequestId, ReplacesEveryOneWhenTold) { EXPECT_EQ(id_of("X-Request-Id: abc\r\n", "accept: false"), made_id); }

TEST(RequestId, StandsInTheResponseUnlessToldOtherwise) {
  Fixture with("GET", "/"), without("GET", "/");
  const auto responds = policy::make_policy(kind, "header: X-Correlation-Id");
  const auto silent = policy::make_policy(kind, "respond: false");
  with.response.fields.add(with.arena, "x-correlation-id", "the upstream's");
  responds->on_request(with.exchange);
  responds->on_response(with.exchange);
  EXPECT_EQ(with.returned("x-correlation-id"), made_id);
  silent->on_request(without.exchange);
  silent->on_response(without.exchange);
  EXPECT_EQ(without.returned("x-request-id"), "(none)");
}

}  // namespace
}  // namespace sluice::policies::request_id
