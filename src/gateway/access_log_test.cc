#include "gateway/access_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <vector>

#include "gateway/log_line_test.h"

namespace sluice::gateway {
namespace {

std::string formatted(const AccessRecord& record) {
  static std::array<char, most_line_bytes + 64> memory;
  memory.fill('#');
  const std::size_t size = format_access(record, memory.data());
  EXPECT_LE(size, most_line_bytes);
  EXPECT_EQ(memory[most_line_bytes], '#');  // nothing was written behind
  return {memory.data(), size};
}

std::string value_of(const AccessRecord& record, std::string_view name) {
  const auto members = LogLineReader::read(formatted(record));
  if (!members) return "(not JSON)";
  for (const auto& [key, value] : *members)
    if (key == name) return value;
  return "(absent)";
}

std::string path_of(std::string_view text) { return value_of({.path = text}, "path"); }
std::string query_of(std::string_view text) { return value_of({.query = text}, "query"); }

constexpr WallTime noon{std::chrono::nanoseconds(1'795'608'131'123'999'999)};  // 2026-11-25T12:02:11.123999999Z

constexpr std::array<AccessAttempt, 2> two_attempts{
    {{"10.0.0.7:8080", "connect_refused", 210}, {"10.0.0.8:8080", "ok", 1'840}}};

AccessRecord full_record() {
  return {.time = noon,
          .id = "9f2c",
          .listener = "public",
          .route = "user",
          .upstream = "users",
          .endpoint = "10.0.0.8:8080",
          .client = "192.0.2.1",
          .consumer = "mobile",
          .peer = "10.1.1.1",
          .method = "GET",
          .host = "api.example.com",
          .path = "/users/42",
          .query = "a=1",
          .version = "1.1",
          .scheme = "https",
          .tls = "1.3",
          .status = 502,
          .cause = "upstream_reset",
          .detail = "closed in the body",
          .side = "upstream",
          .attempts = two_attempts,
          .retry = "other endpoint: nothing had been sent",
          .request_bytes = 1,
          .response_bytes = 512,
          .client_messages = 3,
          .upstream_messages = 4,
          .duration_us = 2'391,
          .upstream_connect_us = 300,
          .upstream_first_byte_us = 1'500,
          .user_agent = "curl/8",
          .referer = "https://a.example/?x=1",
          .generation = 7};
}

TEST(AccessLog, WritesEveryFieldOnceInTheOrderOfTheTable) {
  const auto members = LogLineReader::read(formatted(full_record()));
  ASSERT_TRUE(members);
  const auto fields = access_log_fields();
  ASSERT_EQ(members->size(), fields.size());
  for (std::size_t i = 0; i < fields.size(); ++i) {
    EXPECT_EQ((*members)[i].first, fields[i].name);
    EXPECT_TRUE(fields[i].meaning.ends_with('.')) << fields[i].name;
  }
}

TEST(AccessLog, LooksLikeThis) {
  EXPECT_EQ(
      formatted(full_record()),
      R"({"time":"2026-11-25T12:02:11.123Z","id":"9f2c","listener":"public","route":"user","upstream":"users",)"
      R"("endpoint":"10.0.0.8:8080","client":"192.0.2.1","consumer":"mobile","peer":"10.1.1.1","method":"GET","host":"api.example.com",)"
      R"("path":"/users/42","query":"a=1","version":"1.1","scheme":"https","tls":"1.3","status":502,"cause":"upstream_reset",)"
      R"("detail":"closed in the body","side":"upstream","attempts":[{"endpoint":"10.0.0.7:8080",)"
      R"("outcome":"connect_refused","waited_us":210},{"endpoint":"10.0.0.8:8080","outcome":"ok","waited_us":1840}],)"
      R"("retry":"other endpoint: nothing had been sent","request_bytes":1,"response_bytes":512,"client_messages":3,)"
      R"("upstream_messages":4,"duration_us":2391,)"
      R"("upstream_connect_us":300,"upstream_first_byte_us":1500,"user_agent":"curl/8",)"
      R"("referer":"https://a.example/?x=1","generation":7})"
      "\n");
}

TEST(AccessLog, LeavesOutWhatIsAbsent) {
  EXPECT_EQ(
      formatted({.time = noon, .status = 400}),
      R"({"time":"2026-11-25T12:02:11.123Z","status":400,"request_bytes":0,"response_bytes":0,"duration_us":0,"generation":0})"
      "\n");
}

TEST(AccessLog, FormatsTimesAtTheEdges) {
  EXPECT_EQ(value_of({.time = WallTime{}}, "time"), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(value_of({.time = WallTime{std::chrono::nanoseconds(-1)}}, "time"), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(value_of({.time = WallTime{std::chrono::sys_days(std::chrono::year(2028) / 2 / 29)}}, "time"),
            "2028-02-29T00:00:00.000Z");
}

TEST(AccessLog, D10EscapesWhatCouldForgeALineOrMoveACursor) {
  EXPECT_EQ(path_of("/a\r\n{\"status\":200}"), "/a\r\n{\"status\":200}");
  EXPECT_EQ(formatted({.path = "\n\n\n"}).find('\n'), formatted({.path = "\n\n\n"}).size() - 1);
  EXPECT_EQ(path_of("\x1b[2J"), "<001b>[2J");
  EXPECT_EQ(path_of(std::string_view("\0\x7f", 2)), "<0000><007f>");
  EXPECT_EQ(path_of("\xc2\x9b"
                    "31m"),
            "<009b>31m");                                                            // C1: a terminal's CSI
  EXPECT_EQ(path_of("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xae"), "<2028><2029><202e>");  // line ends, direction of text
  EXPECT_EQ(path_of("\\\"\t"), "\\\"\t");
  EXPECT_EQ(path_of("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(path_of("\xff\xc0\xaf"), "<fffd><fffd><fffd>");
  // Each at every place within and after a word of eight.
  for (std::size_t at = 0; at < 20; ++at) {
    for (int byte = 1; byte < 256; ++byte) {
      std::string text(20, 'a');
      text[at] = static_cast<char>(byte);
      ASSERT_NE(path_of(text), "(not JSON)") << at << " " << byte;
      if (byte >= 0x20 && byte < 0x7f) ASSERT_EQ(path_of(text), text);
    }
  }
}

TEST(AccessLog, D10StaysOneValidLineForAnyBytes) {
  std::mt19937 random(11);
  for (int round = 0; round < 3'000; ++round) {
    const auto text = [&] {
      std::string bytes(random() % 3'000, '\0');
      const unsigned kind = random() % 4;
      for (char& c : bytes) {
        const auto any = static_cast<unsigned>(random());
        c = static_cast<char>(kind == 0   ? any
                              : kind == 1 ? any % 128
                              : kind == 2 ? 0x80 + any % 128
                                          : "\"\\\n\xe2\x80\xa8"[any % 6]);
      }
      return bytes;
    };
    const std::string id = text(), path = text(), query = text(), agent = text(), referer = text(), outcome = text();
    const std::array<AccessAttempt, 6> attempts{
        {{id, outcome, -1}, {path, outcome, 2}, {path, id, 3}, {id, id, 4}, {id, id, 5}}};
    AccessRecord record = full_record();
    record.id = record.listener = record.route = record.upstream = record.endpoint = record.client = record.consumer =
        record.peer = id;
    record.method = record.host = record.detail = record.cause = record.side = record.version = record.retry = outcome;
    record.path = path;
    record.query = query;
    record.user_agent = agent;
    record.referer = referer;
    record.attempts = attempts;
    ASSERT_TRUE(LogLineReader::read(formatted(record))) << "round " << round;
  }
}

TEST(AccessLog, D10CutsLongTextsAndKeepsTheLineWithin8KiB) {
  const std::string longest(100'000, 'x');
  const std::string path = path_of(longest);
  EXPECT_EQ(path.size(), 2048u);
  EXPECT_TRUE(path.ends_with("xxx[cut]"));
  EXPECT_EQ(path_of(std::string(2048, 'y')), std::string(2048, 'y'));  // exactly full: not cut
  EXPECT_TRUE(path_of(std::string(2049, 'y')).ends_with("y[cut]"));
  EXPECT_TRUE(path_of(std::string(5'000, '\n')).ends_with("\n[cut]"));  // no escape is cut in two
  std::string umlauts;
  for (int i = 0; i < 3'000; ++i) umlauts += "\xc3\xbc";
  EXPECT_TRUE(path_of("a" + umlauts).ends_with("\xc3\xbc[cut]"));  // nor a character

  AccessRecord record = full_record();
  const std::string worst(10'000, '\x01');
  const std::array<AccessAttempt, 5> attempts{{{worst, worst, INT64_MIN},
                                               {worst, worst, INT64_MIN},
                                               {worst, worst, INT64_MIN},
                                               {worst, worst, INT64_MIN},
                                               {worst, worst, INT64_MIN}}};
  record.id = record.listener = record.route = record.upstream = record.endpoint = record.client = record.consumer =
      record.peer = longest;
  record.method = record.host = record.path = record.query = record.version = record.cause = record.detail = longest;
  record.side = record.retry = record.user_agent = record.referer = longest;
  record.attempts = attempts;
  record.status = INT32_MIN;
  record.request_bytes = record.response_bytes = record.duration_us = record.upstream_connect_us = INT64_MIN;
  record.upstream_first_byte_us = INT64_MIN;
  record.generation = UINT64_MAX;
  EXPECT_TRUE(LogLineReader::read(formatted(record)));
}

TEST(AccessLog, MasksSecretsInQueries) {
  EXPECT_EQ(query_of("a=1&token=abc&b=2"), "a=1&token=***&b=2");
  EXPECT_EQ(query_of("token=abc"), "token=***");
  EXPECT_EQ(query_of("TOKEN=abc&Api_Key=x"), "TOKEN=***&Api_Key=***");
  EXPECT_EQ(query_of("to%6ben=abc&%63ode=1"), "to%6ben=***&%63ode=***");
  EXPECT_EQ(query_of("tokens=abc&mytoken=1&code"), "tokens=abc&mytoken=1&code");
  EXPECT_EQ(query_of("token=a=b=c&x=token"), "token=***&x=token");
  EXPECT_EQ(query_of("a=1;token=abc;def&b=2"), "a=1;token=***&b=2");
  EXPECT_EQ(query_of("token="), "token=***");
  EXPECT_EQ(query_of("&&=&token=x&"), "&&=&token=***&");
  EXPECT_EQ(query_of("%6=1&sig%=2&%=3"), "%6=1&sig%=2&%=3");
  EXPECT_EQ(query_of("client_secret=1&client_secrets=1"), "client_secret=***&client_secrets=1");
  EXPECT_EQ(query_of("a_very_long_name_of_a_parameter=1&key=" + std::string(9'000, 'k')),
            "a_very_long_name_of_a_parameter=1&key=***");
  EXPECT_EQ(value_of({.referer = "https://x/?code=1&y=2"}, "referer"), "https://x/?code=***&y=2");
  EXPECT_EQ(value_of({.referer = "https://x/code=1"}, "referer"), "https://x/code=1");
  for (const std::string_view name : masked_query_names())
    EXPECT_EQ(query_of(std::string(name) + "=v"), std::string(name) + "=***");
}

TEST(AccessLog, GoesIntoTheRingOrIsCountedAsLost) {
  ByteRing ring(most_line_bytes);
  ASSERT_TRUE(write_access(full_record(), ring));
  EXPECT_EQ(ring.peek()[0], formatted(full_record()));
  EXPECT_FALSE(write_access(full_record(), ring));
  EXPECT_EQ(ring.dropped_records(), 1u);
}

}  // namespace
}  // namespace sluice::gateway
