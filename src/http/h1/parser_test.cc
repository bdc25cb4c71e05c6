#include "http/h1/parser.h"

#include <gtest/gtest.h>

#include <string>

#include "http/h1/sample_test.h"

namespace sluice::http::h1 {
namespace {

using sample::Outcome;
using sample::parse;

// Wraps one field line (or several) in a GET.
std::string get(std::string_view fields) { return "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n\r\n"; }
std::string post(std::string_view fields) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n\r\n";
}
std::string line(std::string_view request_line) { return std::string(request_line) + "\r\nHost: a\r\n\r\n"; }
std::string host(std::string_view value) { return "GET / HTTP/1.1\r\nHost: " + std::string(value) + "\r\n\r\n"; }

void expect_refused(std::string_view bytes, const Cause& cause) {
  const Outcome outcome = parse(bytes);
  ASSERT_NE(outcome.cause, nullptr) << bytes;
  EXPECT_EQ(outcome.cause->code, std::string(cause.code)) << bytes << outcome.detail;
  EXPECT_FALSE(outcome.detail.empty()) << bytes;
}
void expect_malformed(std::string_view bytes) { expect_refused(bytes, request_malformed); }

void expect_accepted(std::string_view bytes) {
  const Outcome outcome = parse(bytes);
  EXPECT_TRUE(outcome.complete) << bytes << outcome.detail;
}

TEST(RequestParser, ReadsARequest) {
  const std::string_view head =
      "POST /a/%7eb?x=1&y HTTP/1.1\r\nHost: Example.COM:8080\r\nContent-Type:text/plain\r\nX-A:  b c\t "
      "\r\nContent-Length: 3\r\n"
      "Connection: Keep-Alive, X-Gone\r\nx-gone: 1\r\nTE: trailers\r\nExpect: 100-Continue\r\n\r\n";
  Arena arena;
  const HeadLimits limits;
  RequestParser parser(limits);
  parser.start(arena);
  EXPECT_FALSE(parser.has_begun());
  const auto progress = parser.feed(std::string(head) + "abcGET");
  ASSERT_TRUE(progress && progress->complete);
  EXPECT_EQ(progress->consumed, head.size());
  const Request& request = parser.request();
  EXPECT_EQ(request.method, Method::post);
  EXPECT_EQ(request.authority, "example.com:8080");
  EXPECT_EQ(request.host, "example.com");
  EXPECT_EQ(request.port, 8080);
  EXPECT_EQ(request.path, "/a/~b");
  ASSERT_EQ(request.segments.size(), 2u);
  EXPECT_EQ(request.segments[1], "~b");
  EXPECT_TRUE(request.has_query);
  EXPECT_EQ(request.query, "x=1&y");
  EXPECT_TRUE(request.expects_continue);
  EXPECT_EQ(request.body.bytes, 3);
  ASSERT_EQ(request.fields.size(), 2u);
  EXPECT_EQ(request.fields[0].id, FieldId::content_type);
  EXPECT_EQ(request.fields[1].name, "x-a");
  EXPECT_EQ(request.fields[1].value, "b c");
  EXPECT_EQ(parser.framing(), Framing::length);
  EXPECT_TRUE(parser.keep_alive());
  EXPECT_EQ(parser.method_seen(), "POST");
  EXPECT_EQ(parser.target_seen(), "/a/%7eb?x=1&y");
}

TEST(RequestParser, SkipsAtMostTwoEmptyLinesInFront) {
  EXPECT_TRUE(parse("\r\n\r\n" + get("a: b")).complete);
  expect_malformed("\r\n\r\n\r\n" + get("a: b"));
  expect_malformed("\n" + get("a: b"));
}

TEST(RequestParser, TellsWhatItSawOfARefusedRequest) {
  const HeadLimits limits{.start_line_bytes = 16};
  const struct {
    std::string_view bytes, method, target;
  } cases[] = {{"GET /x\x01 HTTP/1.1\r\n", "GET", "/x"},
               {"PRI * HTTP/2.0\r\n", "PRI", "*"},
               {"GET /looooooooooong", "GET", "/looooooooooong"},
               {" \r\nfoo bar\r\n", "", ""},
               {"GET", "GET", ""},
               {"", "", ""}};
  for (const auto& each : cases) {
    Arena arena;
    RequestParser parser(limits);
    parser.start(arena);
    (void)parser.feed(each.bytes);  // the outcome is not what this is about
    EXPECT_EQ(parser.method_seen(), each.method) << each.bytes;
    EXPECT_EQ(parser.target_seen(), each.target) << each.bytes;
  }
}

TEST(RequestParser, HasBegunWithTheFirstByteOfTheRequestLine) {
  Arena arena;
  const HeadLimits limits;
  RequestParser parser(limits);
  parser.start(arena);
  for (const char* piece : {"\r", "\n", "\r"}) {
    ASSERT_TRUE(parser.feed(piece));
    EXPECT_FALSE(parser.has_begun());
  }
  ASSERT_TRUE(parser.feed("\nG"));
  EXPECT_TRUE(parser.has_begun());
}

TEST(RequestParser, S01_S02_ContentLengthWithTransferEncoding) {
  expect_malformed(post("Content-Length: 6\r\nTransfer-Encoding: chunked") + "0\r\n\r\nG");
  expect_malformed(post("Transfer-Encoding: chunked\r\nContent-Length: 4") + "5c\r\nGPOST");
  expect_malformed(post("Content-Length: 0\r\nTransfer-Encoding: chunked"));
}

TEST(RequestParser, S03_TransferEncodingIsChunkedOnceOrRefused) {
  for (const char* value : {"chunked", "Chunked", "CHUNKED", " \tchunked\t "}) {
    const Outcome outcome = parse(post(std::string("Transfer-Encoding:") + value));
    EXPECT_TRUE(outcome.complete) << value;
    EXPECT_NE(outcome.rewritten.find("\r\ntransfer-encoding: chunked\r\n"), std::string::npos);
  }
  for (const char* value : {"chunked, identity", "chunked\x0b", ", chunked", "chunked,", "\"chunked\"", "",
                            "chunked, chunked", "chunked;q=1", "chunked chunked", "ch\x01unked", "chunked\x80"}) {
    expect_malformed(post(std::string("Transfer-Encoding: ") + value));
  }
  expect_malformed(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"));
  expect_malformed(post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"));
  for (const char* value : {"xchunked", "identity", "gzip", "gzip, chunked"}) {
    expect_refused(post(std::string("Transfer-Encoding: ") + value), request_coding_unsupported);
  }
}

TEST(RequestParser, S05_ABodyOfAGetIsFramed) {
  Arena arena;
  const HeadLimits limits;
  RequestParser parser(limits);
  parser.start(arena);
  ASSERT_TRUE(parser.feed("GET /static HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n"));
  EXPECT_EQ(parser.framing(), Framing::length);
  EXPECT_EQ(parser.request().body.bytes, 40);
  parser.start(arena);
  ASSERT_TRUE(parser.feed(post("Content-Length: 0")));
  EXPECT_EQ(parser.framing(), Framing::none);
  EXPECT_TRUE(parser.request().body.is_empty());
}

TEST(RequestParser, S06_Expect) {
  EXPECT_NE(parse(post("Expect: 100-continue\r\nContent-Length: 1")).request.find(" continue"), std::string::npos);
  EXPECT_EQ(parse(post("Expect: 100-continue")).request.find(" continue"), std::string::npos);
  EXPECT_EQ(parse("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n").request.find(" continue"),
            std::string::npos);
  expect_refused(post("Expect: y 100-continue"), request_expectation_failed);
  expect_refused(post("Expect:"), request_expectation_failed);
  expect_malformed(post("Expect: 100-continue\r\nExpect: 100-continue"));
  expect_malformed(post("Expect:\r\n 100-continue"));
}

TEST(RequestParser, S07_Http10) {
  expect_malformed("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
  const Outcome plain = parse("GET /x HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(plain.complete);
  EXPECT_EQ(plain.request.find("keep_alive"), std::string::npos);
  EXPECT_EQ(plain.rewritten, "GET /x HTTP/1.1\r\nhost: \r\n\r\n");
  EXPECT_NE(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").request.find("keep_alive"), std::string::npos);
}

TEST(RequestParser, S08_ContentLengthIsDigitsOnce) {
  for (const char* value :
       {"+5", "-0", "0x5", "5_0", "5 0", "5,6", "5,5", "", "18446744073709551616", "9223372036854775808",
        "1111111111222222222233333333334444444444", "\v5", "5\f", "5\v", "five", "5.0", "\xb2"}) {
    expect_malformed(post(std::string("Content-Length: ") + value));
  }
  expect_malformed(post("Content-Length: 5\r\nContent-Length: 5"));
  expect_malformed(post("Content-Length: 5\r\ncontent-length: 6"));
  expect_accepted(post("Content-Length: 9223372036854775807"));
  expect_accepted(post("Content-Length:\t5\t"));  // outer white space is RFC 9110 section 5.5's OWS
  expect_accepted(post("Content-Length: 005"));
}

TEST(RequestParser, S12_OnlyCrlfEndsALine) {
  expect_malformed("GET / HTTP/1.1\nHost: a\r\n\r\n");
  expect_malformed("GET / HTTP/1.1\r\nHost: a\n\r\n");
  expect_malformed("GET / HTTP/1.1\r\nHost: a\r\n\n");
  expect_malformed("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n");
  expect_malformed("GET / HTTP/1.1\rHost: a\r\n\r\n");
  expect_malformed("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n");
  expect_malformed("GET / HTTP/1.1\r\nHost: a\r\n\r\r\n");
}

TEST(RequestParser, S13_NoFoldedLines) {
  expect_malformed(get("X: a\r\n b"));
  expect_malformed(get("X: a\r\n\tb"));
  expect_malformed(post("Transfer-Encoding:\r\n chunked"));
}

TEST(RequestParser, S14_FieldNames) {
  for (const char* field : {"Name : v", "Name\t: v", ":empty", ": v", "Content_Length: 5", "X_Forwarded_Proto: https",
                            "Content-Length\xa0: 5", "N\xc3\xa9: v", "nocolon", "Na\tme: v", "Na me: v", "\"name\": v",
                            "Na(me: v", "Na\x7fme: v", "Na/me: v"}) {
    expect_malformed(get(field));
  }
  expect_malformed(get(std::string_view("Na\0me: v", 8)));
  expect_malformed("GET / HTTP/1.1\r\n Host: a\r\n\r\n");
  expect_accepted(get("!#$%&'*+-.^`|~09azAZ: v"));
  expect_accepted(get(std::string(200, 'n') + ": v"));
}

TEST(RequestParser, S15_FieldValues) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string field = "X-A: a" + std::string(1, static_cast<char>(byte)) + "b";
    const bool is_allowed = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
    EXPECT_EQ(parse(get(field)).complete, is_allowed) << byte;
  }
  EXPECT_NE(parse(get("X-A: \xff\x80 caf\xc3\xa9")).rewritten.find("x-a: \xff\x80 caf\xc3\xa9\r\n"), std::string::npos);
  EXPECT_NE(parse(get("X-A:\r\nX-B: \t \r\nX-C: c")).rewritten.find("x-a: \r\nx-b: \r\nx-c: c\r\n"), std::string::npos);
}

TEST(RequestParser, S16_Host) {
  expect_malformed("GET / HTTP/1.1\r\n\r\n");
  expect_malformed("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n");
  expect_malformed("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n");
  for (const char* value :
       {"", "a,b", "user@a", "a/b", "a#b", "a:99999", "a:", "[::1", "a b", "a\tb", "a\xc3\xa9", "..", "a%00"}) {
    expect_refused(host(value), request_target_refused);
  }
  EXPECT_NE(parse(host("Example.COM.:80")).request.find(" example.com:80 host=example.com port=80 "),
            std::string::npos);
}

TEST(RequestParser, S17_TargetForms) {
  EXPECT_EQ(parse("GET http://B.x:81/p?q HTTP/1.1\r\nHost: a\r\n\r\n").rewritten,
            "GET /p?q HTTP/1.1\r\nhost: b.x:81\r\n\r\n");
  EXPECT_EQ(parse("GET HTTPS://b HTTP/1.1\r\nHost: a\r\n\r\n").rewritten, "GET / HTTP/1.1\r\nhost: b\r\n\r\n");
  EXPECT_EQ(parse("GET http://b?q HTTP/1.1\r\nHost: a\r\n\r\n").rewritten, "GET /?q HTTP/1.1\r\nhost: b\r\n\r\n");
  EXPECT_EQ(parse(line("OPTIONS http://b") /* no version */).complete, false);
  EXPECT_EQ(parse(line("OPTIONS http://b HTTP/1.1")).rewritten, "OPTIONS * HTTP/1.1\r\nhost: b\r\n\r\n");
  EXPECT_EQ(parse(line("OPTIONS * HTTP/1.1")).rewritten, "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n");
  EXPECT_EQ(parse(line("GET //a/b HTTP/1.1")).rewritten, "GET /a/b HTTP/1.1\r\nhost: a\r\n\r\n");
  EXPECT_EQ(parse(line("GET /a? HTTP/1.1")).rewritten, "GET /a? HTTP/1.1\r\nhost: a\r\n\r\n");
  for (const char* target :
       {"a", "*", "http:/\\x5c", "http:///x", "http://", "http://u@b/", "http://b:0/", "ftp://b/", "a:80", "http:b",
        "?q", "/a#b", "http://b/#f", "/a?b#c", "https//b", "/\\", "//..", "http://b\\/x"}) {
    expect_refused(line(std::string("GET ") + target + " HTTP/1.1"), request_target_refused);
  }
  expect_malformed("GET http://b/ HTTP/1.1\r\n\r\n");  // Host must be there all the same
  expect_refused("GET http://b/ HTTP/1.1\r\nHost: a,b\r\n\r\n", request_target_refused);
  for (const char* target : {"/x", "a:443", "*"}) {
    expect_refused(line(std::string("CONNECT ") + target + " HTTP/1.1"), request_method_unsupported);
  }
}

TEST(RequestParser, S18_Versions) {
  for (const char* version : {"HTTP/1.10", "HTTP/01.1", "http/1.1", "HTTP/1.1 ", "HTTP/1", "HTTP/1.", "HTTP/1.x",
                              "HTTPS/1.1", "HTTP 1.1", " HTTP/1.1", "x HTTP/1.1", "HTTP/1.1\t", ""}) {
    expect_malformed(line(std::string("GET / ") + version));
  }
  for (const char* version : {"HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/3.0"}) {
    expect_refused(line(std::string("GET / ") + version), request_version_unsupported);
  }
  expect_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", request_version_unsupported);
  expect_malformed("GET /\r\n");
  expect_malformed("GET\r\n");
}

TEST(RequestParser, RequestLineGrammar) {
  for (const char* request_line :
       {" GET / HTTP/1.1", "GET  / HTTP/1.1", "GET /  HTTP/1.1", "GET\t/ HTTP/1.1", "G(T / HTTP/1.1",
        "GET /a b HTTP/1.1", "GET /\x7f HTTP/1.1", "GET /\xc3\xa9 HTTP/1.1", "GET /\t HTTP/1.1", "\x16\x03\x01",
        "GET /\xff?q HTTP/1.1", "GET /?\x01 HTTP/1.1"}) {
    expect_malformed(line(request_line));
  }
  expect_malformed(line(std::string_view("GET /\0 HTTP/1.1", 15)));
  expect_accepted(line(std::string(32, 'M') + " / HTTP/1.1"));
  expect_malformed(line(std::string(33, 'M') + " / HTTP/1.1"));
  expect_accepted(line("TRACE / HTTP/1.1"));
}

TEST(RequestParser, S19_ConnectionRemovesOnlyTheClientsOwnFields) {
  EXPECT_EQ(parse(get("Connection: close, X-A,x-b\r\nX-A: 1\r\nx-a: 2\r\nX-B: 3\r\nX-C: 4")).rewritten,
            "GET / HTTP/1.1\r\nhost: a\r\nx-c: 4\r\n\r\n");
  EXPECT_EQ(parse(get("X-A: 1\r\nConnection: X-A\r\nX-A: 2")).rewritten, "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  for (const char* value : {"close, Content-Length", "Transfer-Encoding", "X-Forwarded-For", "X-User", "Authorization",
                            "Host", "x-forwarded-anything", "Cookie", "Forwarded", "X_Forwarded_For", "X-Request-Id",
                            "X-Consumer-Id", "X-Auth-Token", "X-Real-IP", "close, , X-Real_IP"}) {
    expect_malformed(get(std::string("Connection: ") + value));
  }
  for (const char* value :
       {"close,,,", ",close", ", ,", "", "Close", "close, TE, Trailer, Upgrade, Keep-Alive, HTTP2-Settings"}) {
    expect_accepted(get(std::string("Connection: ") + value));
  }
  for (const char* value : {"\"close\"", "close;x", "a b", "close\x01"})
    expect_malformed(get(std::string("Connection: ") + value));
  std::string many = "Connection: a0";
  for (int i = 1; i < 16; ++i) many += ",a" + std::to_string(i);
  expect_accepted(get(many));
  expect_malformed(get(many + ",b"));
  expect_malformed(get(many + "\r\nConnection: b"));
}

TEST(RequestParser, KeepAliveFollowsVersionAndConnection) {
  const auto keeps = [](const std::string& bytes) {
    return parse(bytes).request.find("keep_alive") != std::string::npos;
  };
  EXPECT_TRUE(keeps(get("a: b")));
  EXPECT_FALSE(keeps(get("Connection: CLOSE")));
  EXPECT_FALSE(keeps(get("Connection: keep-alive\r\nConnection: close")));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"));
}

TEST(RequestParser, S22_UpgradeIsNeverPassedOn) {
  EXPECT_EQ(parse(get("Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nConnection: Upgrade, HTTP2-Settings\r\nKeep-Alive: "
                      "5\r\nProxy-Connection: close\r\nTE: "
                      "trailers\r\nTrailer: x"))
                .rewritten,
            "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
}

TEST(RequestParser, P07_TheQueryIsNoPartOfThePath) {
  const Outcome outcome = parse(line("GET /admin?x=/public/../%2e%zz|\"<>\\^`{} HTTP/1.1"));
  EXPECT_NE(outcome.request.find(" path=/admin segments=[admin] ?x=/public/../%2e%zz|\"<>\\^`{}"), std::string::npos)
      << outcome.request;
}

TEST(RequestParser, P12_TheQueryIsKeptAsSent) {
  EXPECT_EQ(parse(line("GET /?a=1&a=2;b=3&%00=%0a&&= HTTP/1.1")).rewritten,
            "GET /?a=1&a=2;b=3&%00=%0a&&= HTTP/1.1\r\nhost: a\r\n\r\n");
}

TEST(RequestParser, D04_LimitsHoldAtTheByte) {
  const HeadLimits limits;
  const auto target = [](std::size_t line_bytes) {
    return line("GET /" + std::string(line_bytes - 14, 'a') + " HTTP/1.1");
  };
  EXPECT_TRUE(parse(target(limits.start_line_bytes - 1)).complete);
  EXPECT_TRUE(parse(target(limits.start_line_bytes)).complete);
  expect_refused(target(limits.start_line_bytes + 1), request_uri_too_long);
  expect_refused(std::string(1'000'000, 'a'), request_uri_too_long);

  const auto field = [](std::size_t line_bytes) { return get("x: " + std::string(line_bytes - 3, 'v')); };
  EXPECT_TRUE(parse(field(limits.field_line_bytes)).complete);
  expect_refused(field(limits.field_line_bytes + 1), request_header_too_large);
  expect_refused("GET / HTTP/1.1\r\n" + std::string(9000, 'a'), request_header_too_large);

  const auto count = [](std::size_t fields) {
    std::string text = "a: b";
    for (std::size_t i = 2; i < fields; ++i) text += "\r\na: b";
    return get(text);
  };
  EXPECT_TRUE(parse(count(limits.fields)).complete);
  expect_refused(count(limits.fields + 1), request_header_too_large);

  std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
  while (head.size() + 8010 < limits.head_bytes) head += "x: " + std::string(7995, 'v') + "\r\n";
  head += "y: " + std::string(limits.head_bytes - head.size() - 7, 'v') + "\r\n\r\n";
  ASSERT_EQ(head.size(), limits.head_bytes);
  EXPECT_TRUE(parse(head).complete);
  expect_refused(head.insert(head.size() - 4, "v"), request_header_too_large);
}

TEST(RequestParser, D10_BytesThatWouldBreakALogLineNeverGetIn) {
  for (const char* bad : {"\x1b", "\n", "\r", "\x7f"}) {
    EXPECT_FALSE(parse(get(std::string("User-Agent: a") + bad + "b")).complete);
    EXPECT_FALSE(parse(line(std::string("GET /a") + bad + " HTTP/1.1")).complete);
  }
}

}  // namespace
}  // namespace sluice::http::h1
