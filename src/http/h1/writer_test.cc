#include "http/h1/writer.h"

#include <gtest/gtest.h>

#include <string>

#include "http/h1/sample_test.h"

namespace sluice::http::h1 {
namespace {

using sample::rewrite;

std::string write(const ResponseHead& head, Framing framing, bool keep_alive = true, bool to_http10 = false) {
  std::string out(head_bytes(head), '\0');
  out.resize(write_response(head, framing, keep_alive, to_http10, out.data()));
  return out;
}

RequestHead plain_request() {
  RequestHead head;
  head.method = "GET";
  head.authority = "a";
  head.path = "/x";
  return head;
}

TEST(Writer, WritesRequests) {
  Arena arena;
  RequestHead head = plain_request();
  head.fields.add(arena, "accept", "*/*");
  EXPECT_EQ(rewrite(head), "GET /x HTTP/1.1\r\nhost: a\r\naccept: */*\r\n\r\n");
  EXPECT_EQ(rewrite(head, true), "GET /x HTTP/1.1\r\nhost: a\r\naccept: */*\r\nconnection: close\r\n\r\n");
  head.has_query = true;
  head.query = "a=b";
  head.body.bytes = BodySize::unknown;
  EXPECT_EQ(rewrite(head), "GET /x?a=b HTTP/1.1\r\nhost: a\r\naccept: */*\r\ntransfer-encoding: chunked\r\n\r\n");
}

TEST(Writer, EmptyBodiesAreAnnouncedWhereTheMethodUsuallyHasOne) {
  RequestHead head = plain_request();
  for (const char* method : {"POST", "PUT", "PATCH"}) {
    head.method = method;
    EXPECT_NE(rewrite(head).find("content-length: 0\r\n"), std::string::npos) << method;
  }
  for (const char* method : {"GET", "HEAD", "DELETE", "OPTIONS", "FOO"}) {
    head.method = method;
    EXPECT_EQ(rewrite(head).find("content-length"), std::string::npos) << method;
  }
  head.body.bytes = 9'223'372'036'854'775'807;
  EXPECT_NE(rewrite(head).find("content-length: 9223372036854775807\r\n"), std::string::npos);
}

TEST(Writer, I2_FramingFieldsAreNeverCopied) {
  Arena arena;
  RequestHead head = plain_request();
  for (const char* name : {"host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade",
                           "keep-alive", "expect", "proxy-connection"}) {
    head.fields.add(arena, name, "1");
  }
  EXPECT_EQ(rewrite(head), "GET /x HTTP/1.1\r\nhost: a\r\n\r\n");
}

TEST(Writer, S26_RefusesWhatWouldSplitAMessage) {
  const std::string_view bad_values[] = {"a\r\nb: c", "a\nb", "a\r", std::string_view("a\0b", 3), "\x1b[0m", "\x7f"};
  for (const std::string_view value : bad_values) {
    Arena arena;
    ResponseHead response;
    response.fields.add(arena, "location", value);
    EXPECT_EQ(write(response, Framing::length), "");
    RequestHead request = plain_request();
    request.fields.add(arena, "x", value);
    EXPECT_EQ(rewrite(request), "");
    for (std::string_view RequestHead::* part :
         {&RequestHead::method, &RequestHead::authority, &RequestHead::path, &RequestHead::query}) {
      RequestHead head = plain_request();
      head.has_query = true;
      head.*part = value;
      EXPECT_EQ(rewrite(head), "") << value;
    }
  }
  for (const std::string_view name : {"", "a b", "a:", "a\r\n", "caf\xc3\xa9", "a\t"}) {
    Arena arena;
    ResponseHead response;
    response.fields.add(arena, Field{name, "v"});
    EXPECT_EQ(write(response, Framing::length), "") << name;
  }
  for (const std::string_view path : {"", "/a b", "/a#b", "/\xc3\xa9"}) {
    RequestHead head = plain_request();
    head.path = path;
    EXPECT_EQ(rewrite(head), "") << path;
  }
}

TEST(Writer, WritesResponses) {
  Arena arena;
  ResponseHead head;
  head.fields.add(arena, "server", "\x80 obs\ttext");
  head.body.bytes = 5;
  EXPECT_EQ(write(head, Framing::length), "HTTP/1.1 200 OK\r\nserver: \x80 obs\ttext\r\ncontent-length: 5\r\n\r\n");
  EXPECT_EQ(write(head, Framing::chunked, false),
            "HTTP/1.1 200 OK\r\nserver: \x80 obs\ttext\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n");
  EXPECT_EQ(write(head, Framing::until_close, true, true),
            "HTTP/1.1 200 OK\r\nserver: \x80 obs\ttext\r\nconnection: keep-alive\r\n\r\n");
}

TEST(Writer, S25_AnnouncesOnlyWhereTheStatusAllowsIt) {
  ResponseHead head;
  head.announced_length = 7;
  EXPECT_EQ(write(head, Framing::none), "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n");
  head.status = 304;
  EXPECT_EQ(write(head, Framing::none), "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n");
  head.status = 204;
  EXPECT_EQ(write(head, Framing::none), "HTTP/1.1 204 No Content\r\n\r\n");
  head.status = 103;
  EXPECT_EQ(write(head, Framing::none), "HTTP/1.1 103 Early Hints\r\n\r\n");
  head.status = 299;
  head.announced_length = BodySize::unknown;
  EXPECT_EQ(write(head, Framing::none), "HTTP/1.1 299 \r\n\r\n");
  head.status = 99;
  EXPECT_EQ(write(head, Framing::none), "");
}

TEST(Writer, ChunkHeads) {
  const auto head = [](std::size_t bytes) {
    char out[18];
    return std::string(out, write_chunk_head(bytes, out));
  };
  EXPECT_EQ(head(1), "1\r\n");
  EXPECT_EQ(head(26), "1a\r\n");
  EXPECT_EQ(head(~std::size_t{0}), "ffffffffffffffff\r\n");
}

}  // namespace
}  // namespace sluice::http::h1
