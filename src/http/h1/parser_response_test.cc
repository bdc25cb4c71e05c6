#include <gtest/gtest.h>

#include <string>

#include "http/h1/parser.h"

namespace sluice::http::h1 {
namespace {

// What came of a response's head; `error` null: accepted, or incomplete.
struct Outcome {
  const char* error = nullptr;
  Code code{};
  bool complete = false, keep_alive = false;
  std::size_t consumed = 0;
  int status = 0;
  Framing framing{};
  std::int64_t body = 0, announced = 0;
  std::string fields;
  bool operator==(const Outcome&) const = default;
};

Outcome parse(std::string_view bytes, Method method = Method::get, std::size_t step = std::string_view::npos,
              const HeadLimits& limits = {}) {
  Arena arena;
  ResponseParser parser(limits);
  parser.start(arena, method);
  Outcome outcome;
  for (std::size_t at = 0; at < bytes.size(); at += std::min(step, bytes.size())) {
    const std::string piece(bytes.substr(at, step));
    const auto progress = parser.feed(piece);
    if (!progress) {
      EXPECT_EQ(progress.error().side, Side::upstream);
      EXPECT_FALSE(progress.error().retryable);
      return {.error = progress.error().what, .code = progress.error().code};
    }
    outcome.consumed += progress->consumed;
    if (!progress->complete) continue;
    const ResponseHead& head = parser.head();
    outcome.complete = true;
    outcome.keep_alive = parser.keep_alive();
    outcome.status = head.status;
    outcome.framing = parser.framing();
    outcome.body = head.body.bytes;
    outcome.announced = head.announced_length;
    for (const Field& field : head.fields)
      outcome.fields.append(field.name).append("=").append(field.value).append(";");
    break;
  }
  return outcome;
}

Outcome parse_checked(std::string_view bytes, Method method = Method::get) {
  const Outcome whole = parse(bytes, method);
  for (std::size_t step = 1; step < bytes.size(); ++step) EXPECT_EQ(parse(bytes, method, step), whole) << step << bytes;
  return whole;
}

void expect_refused(std::string_view bytes, Code code = Code::malformed) {
  const Outcome outcome = parse_checked(bytes);
  ASSERT_NE(outcome.error, nullptr) << bytes;
  EXPECT_EQ(outcome.code, code) << bytes;
}

TEST(ResponseParser, ReadsAResponse) {
  const Outcome outcome =
      parse_checked("HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\nhello");
  EXPECT_TRUE(outcome.complete && outcome.keep_alive);
  EXPECT_EQ(outcome.status, 200);
  EXPECT_EQ(outcome.framing, Framing::length);
  EXPECT_EQ(outcome.body, 5);
  EXPECT_EQ(outcome.fields, "server=x;set-cookie=a;set-cookie=b;");
}

TEST(ResponseParser, ReasonMayBeAnythingOrAbsent) {
  for (const char* line : {"HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.1 200 A\tb  c", "HTTP/1.0 200 \xe9"}) {
    EXPECT_TRUE(parse_checked(std::string(line) + "\r\n\r\n").complete) << line;
  }
}

TEST(ResponseParser, S25_FramingFollowsMethodAndStatus) {
  const std::string fields = "\r\nContent-Length: 7\r\nX: y\r\n\r\n";
  const auto head = parse_checked("HTTP/1.1 200 OK" + fields, Method::head);
  EXPECT_EQ(head.framing, Framing::none);
  EXPECT_EQ(head.body, 0);
  EXPECT_EQ(head.announced, 7);
  const auto not_modified = parse_checked("HTTP/1.1 304 Not Modified" + fields);
  EXPECT_EQ(not_modified.framing, Framing::none);
  EXPECT_EQ(not_modified.announced, 7);
  for (const char* status : {"204", "100", "103", "199"}) {
    const auto outcome = parse_checked(std::string("HTTP/1.1 ") + status + fields);
    EXPECT_EQ(outcome.framing, Framing::none) << status;
    EXPECT_EQ(outcome.announced, BodySize::unknown);
    EXPECT_EQ(outcome.fields, "x=y;");
  }
  EXPECT_EQ(parse_checked("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Method::head).framing,
            Framing::none);
  expect_refused("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
}

TEST(ResponseParser, FramingOfOthers) {
  const auto chunked = parse_checked("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n");
  EXPECT_EQ(chunked.framing, Framing::chunked);
  EXPECT_EQ(chunked.body, BodySize::unknown);
  EXPECT_TRUE(chunked.keep_alive);
  const auto until_close = parse_checked("HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(until_close.framing, Framing::until_close);
  EXPECT_EQ(until_close.body, BodySize::unknown);
  EXPECT_FALSE(until_close.keep_alive);
  const auto empty = parse_checked("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(empty.framing, Framing::none);
  EXPECT_EQ(empty.body, 0);
  EXPECT_TRUE(empty.keep_alive);
}

TEST(ResponseParser, KeepAlive) {
  const std::string length = "Content-Length: 1\r\n";
  EXPECT_FALSE(parse_checked("HTTP/1.1 200 OK\r\nConnection: close\r\n" + length + "\r\n").keep_alive);
  EXPECT_FALSE(parse_checked("HTTP/1.0 200 OK\r\n" + length + "\r\n").keep_alive);
  EXPECT_TRUE(parse_checked("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + length + "\r\n").keep_alive);
}

TEST(ResponseParser, HopByHopFieldsAreRemoved) {
  EXPECT_EQ(parse_checked("HTTP/1.1 200 OK\r\nConnection: x-a, keep-alive\r\nKeep-Alive: 5\r\nX-A: 1\r\nUpgrade: "
                          "h2c\r\nTrailer: t\r\nX_B: 2\r\n"
                          "Proxy-Connection: close\r\nTE: x\r\nContent-Length: 0\r\n\r\n")
                .fields,
            "x_b=2;");
  const auto lenient = parse_checked(
      "HTTP/1.1 200 OK\r\nConnection: Transfer-Encoding, Set-Cookie\r\nSet-Cookie: a\r\nTransfer-Encoding: "
      "chunked\r\n\r\n");
  EXPECT_EQ(lenient.framing, Framing::chunked);
  EXPECT_EQ(lenient.fields, "set-cookie=a;");
}

TEST(ResponseParser, S27_RefusesBrokenResponses) {
  expect_refused("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
  expect_refused("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n");
  expect_refused("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n");
  expect_refused("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n");
  expect_refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Code::unsupported);
  expect_refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n");
  expect_refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (const char* line :
       {"HTTP/1.1 99 x", "HTTP/1.1 099 x", "HTTP/1.1 1000 x", "HTTP/1.1 600 x", "HTTP/1.1 20 x", "HTTP/1.1 2x0 x",
        "HTTP/1.1  200 OK", "HTTP/1.1 200OK", "HTTP/1.1", "HTTP/1.1 ", "HTTP/2.0 200 OK", "http/1.1 200 OK",
        "ICY 200 OK", "HTTP/1.1 200 a\x01", "HTTP/1.1 200 a\rb", "", " HTTP/1.1 200 OK"}) {
    expect_refused(std::string(line) + "\r\n\r\n");
  }
  expect_refused("HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n");
  expect_refused("HTTP/1.1 200 OK\r\nX: a\n\r\n");
  expect_refused("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n");
  expect_refused("HTTP/1.1 200 OK\r\nX : a\r\n\r\n");
}

TEST(ResponseParser, S27_Limits) {
  const HeadLimits limits{.start_line_bytes = 50, .field_line_bytes = 50, .head_bytes = 150, .fields = 3};
  const std::string samples[] = {"HTTP/1.1 200 " + std::string(1'000'000, 'r'),
                                 "HTTP/1.1 200 OK\r\nx: " + std::string(60, 'v') + "\r\n\r\n",
                                 "HTTP/1.1 200 OK\r\na: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\n\r\n",
                                 "HTTP/1.1 200 OK\r\na: " + std::string(47, 'v') + "\r\nb: " + std::string(47, 'v') +
                                     "\r\nc: " + std::string(47, 'v') + "\r\n\r\n"};
  for (const std::string& bytes : samples) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{33}, bytes.size()}) {
      const Outcome outcome = parse(bytes, Method::get, step, limits);
      ASSERT_NE(outcome.error, nullptr);
      EXPECT_EQ(outcome.code, Code::too_large) << outcome.error;
    }
  }
}

}  // namespace
}  // namespace sluice::http::h1
