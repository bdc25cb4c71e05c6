#include "http/h1/chunked.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace sluice::http::h1 {
namespace {

struct Outcome {
  std::string data, error, trailers;
  std::size_t consumed = 0;
  bool complete = false;
  Code code{};
  bool operator==(const Outcome&) const = default;
};

// Decodes in pieces of `step` bytes, each in memory of its own.
Outcome decode(std::string_view bytes, std::size_t step = std::string_view::npos, const HeadLimits& limits = {}) {
  Arena arena;
  ChunkedDecoder decoder;
  decoder.start(limits, arena);
  Outcome outcome;
  for (std::size_t at = 0; at < bytes.size() && !outcome.complete; at += std::min(step, bytes.size())) {
    const std::string_view piece = bytes.substr(at, step);
    std::vector<char> block(piece.begin(), piece.end());
    const auto decoded = decoder.decode(block.data(), block.size());
    if (!decoded) {
      EXPECT_EQ(decoded.error().side, Side::client);
      return {.error = decoded.error().what,
              .code = decoded.error().code};  // how much data came before is a matter of cuts
    }
    EXPECT_TRUE(decoded->consumed == block.size() || decoded->complete);
    outcome.data.append(block.data(), decoded->data_bytes);
    outcome.consumed += decoded->consumed;
    outcome.complete = decoded->complete;
  }
  if (outcome.complete) {
    for (const Field& field : decoder.trailers())
      outcome.trailers.append(field.name).append("=").append(field.value).append(";");
  }
  return outcome;
}

Outcome decode_checked(std::string_view bytes, const HeadLimits& limits = {}) {
  const Outcome whole = decode(bytes, std::string_view::npos, limits);
  for (const std::size_t step : {1, 2, 3, 5, 8, 13, 100})
    EXPECT_EQ(decode(bytes, step, limits), whole) << step << ": " << bytes;
  return whole;
}

void expect_refused(std::string_view bytes, Code code = Code::malformed) {
  const Outcome outcome = decode_checked(bytes);
  EXPECT_FALSE(outcome.error.empty()) << bytes;
  EXPECT_EQ(outcome.code, code) << bytes << outcome.error;
}

TEST(ChunkedDecoder, DecodesInPlaceAndLeavesTheNextMessage) {
  const Outcome outcome = decode_checked("5\r\nhello\r\n00006\r\n world\r\n0\r\n\r\nGET / HTTP/1.1");
  EXPECT_TRUE(outcome.complete) << outcome.error;
  EXPECT_EQ(outcome.data, "hello world");
  EXPECT_EQ(outcome.consumed, std::string_view("5\r\nhello\r\n00006\r\n world\r\n0\r\n\r\n").size());
  EXPECT_TRUE(outcome.trailers.empty());
}

TEST(ChunkedDecoder, EmptyBodyAndBothCases) {
  EXPECT_TRUE(decode_checked("0\r\n\r\n").complete);
  EXPECT_TRUE(decode_checked("0000000000000000\r\n\r\n").complete);
  EXPECT_EQ(decode_checked("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n").data, "01234567890123456789");
}

TEST(ChunkedDecoder, S09_ChunkSize) {
  for (const char* bytes : {"0x5\r\nhello\r\n", "+5\r\n", "-1\r\n", "5 \r\nhello\r\n", " 5\r\n", "5_0\r\n",
                            "FFFFFFFFFFFFFFFF\r\n", "8000000000000000\r\n", "00000000000000005\r\nhello\r\n",
                            "5\nhello\r\n", "\r\n", "\n", "g\r\n", "5\thello", ";a\r\n", "5\r5"}) {
    expect_refused(bytes);
  }
  EXPECT_TRUE(decode_checked("7FFFFFFFFFFFFFFF\r\nx").error.empty());
  EXPECT_TRUE(decode_checked("0000000000000001\r\nx\r\n0\r\n\r\n").complete);
}

TEST(ChunkedDecoder, S10_ChunkExtensions) {
  for (const char* bytes : {"5;a\r\nhello\r\n0\r\n\r\n", "5;a=b;c=\"d e;\\\"\t\";f\r\nhello\r\n0;last\r\n\r\n",
                            "5;a=\"\"\r\nhello\r\n0\r\n\r\n"}) {
    EXPECT_EQ(decode_checked(bytes).data, "hello") << bytes;
    EXPECT_TRUE(decode_checked(bytes).complete) << bytes;
  }
  for (const char* bytes : {"5;\nhello", "5;\r\nhello", "5;a\rb\r\n", "5;a=\"\r\n\"\r\n", "5;a\n", "5;a=\r\n",
                            "5;=b\r\n", "5; a\r\n", "5 ;a\r\n", "5;a =b\r\n", "5;a=b c\r\n", "5;a=\"b\"c\r\n",
                            "5;a=\"b\r\n", "5;a=\"\x01\"\r\n", "5;a=\"\\\n\"\r\n", "5;;a\r\n", "5;a=b=c\r\n"}) {
    expect_refused(bytes);
  }
  expect_refused(std::string_view("5;\0\r\n", 5));
  expect_refused("5;" + std::string(65536, 'a') + "\r\nhello", Code::too_large);
}

TEST(ChunkedDecoder, S10_ExtensionsAreLimitedOverTheWholeMessage) {
  const HeadLimits limits{.chunk_extension_bytes = 100};
  std::string bytes;
  for (int i = 0; i < 10; ++i) bytes += "1;123456789\r\nx\r\n";  // ten bytes of extension each
  EXPECT_TRUE(decode_checked(bytes + "0\r\n\r\n", limits).complete);
  EXPECT_EQ(decode_checked(bytes + "0;\r\n\r\n", limits).code, Code::too_large);
}

TEST(ChunkedDecoder, S11_ChunkDataEndsInCrlf) {
  for (const char* bytes : {"5\r\nhelloX\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r0\r\n\r\n", "5\r\nhello0\r\n\r\n",
                            "5\r\nhell\r\n0\r\n\r\n", "0\r\n\n", "0\r\n\rX"}) {
    expect_refused(bytes);
  }
  EXPECT_FALSE(decode_checked("5\r\nhello\r\n0\r\n").complete);
  EXPECT_FALSE(decode_checked("5\r\nhello\r\n0\r\n\r").complete);
}

TEST(ChunkedDecoder, S24_TrailersAreCheckedAndForbiddenOnesDropped) {
  const Outcome outcome = decode_checked(
      "1\r\nx\r\n0\r\nX-Sum: abc \r\nContent-Length: 5\r\nHost: evil\r\nAuthorization: x\r\nX-User: "
      "root\r\nTransfer-Encoding: chunked\r\n"
      "Cookie: a\r\nSet-Cookie: b\r\nX-Forwarded-For: 1.2.3.4\r\nConnection: close\r\nContent-Range: x\r\ngrpc-status: "
      "0\r\n\r\nGET /");
  EXPECT_TRUE(outcome.complete) << outcome.error;
  EXPECT_EQ(outcome.trailers, "x-sum=abc;grpc-status=0;");
  for (const char* trailers :
       {"X_Auth_User: a", "Bad Name: x", " fold: x", "nocolon", ": x", "x: a\nb: c", "x: \x01"}) {
    expect_refused(std::string("0\r\n") + trailers + "\r\n\r\n");
  }
  expect_refused("0\r\nx: y\r\n\n");
}

TEST(ChunkedDecoder, S24_TrailersAreLimited) {
  expect_refused("0\r\nx: " + std::string(9000, 'v') + "\r\n\r\n", Code::too_large);
  std::string many = "0\r\n";
  for (int i = 0; i < 101; ++i) many += "a: b\r\n";
  expect_refused(many + "\r\n", Code::too_large);
  const HeadLimits limits{.trailer_bytes = 50};
  const std::string full = "a: " + std::string(43, 'v') + "\r\n\r\n";
  ASSERT_EQ(full.size(), 50u);
  EXPECT_TRUE(decode_checked("0\r\n" + full, limits).complete);
  EXPECT_EQ(decode_checked("0\r\nv" + full, limits).code, Code::too_large);
}

TEST(ChunkedDecoder, RandomBodiesAtRandomCuts) {
  std::mt19937 random(5);
  for (int i = 0; i < 20'000; ++i) {
    std::string data, wire;
    for (auto count = random() % 6; count > 0; --count) {
      const std::string piece(1 + random() % 40, static_cast<char>('a' + random() % 26));
      char size[20];
      std::snprintf(size, sizeof(size), random() % 2 == 0 ? "%zx" : "%04zX", piece.size());
      wire += size + std::string(random() % 3 == 0 ? ";e=\"v\"" : "") + "\r\n" + piece + "\r\n";
      data += piece;
    }
    wire += "0\r\n" + std::string(random() % 2 == 0 ? "T: v\r\n" : "") + "\r\n";
    const bool is_broken = i % 2 == 1;
    if (is_broken) wire[random() % wire.size()] = "\r\n;0a \x80"[random() % 7];
    const Outcome whole = decode(wire);
    if (!is_broken) {
      ASSERT_TRUE(whole.complete) << wire << whole.error;
      ASSERT_EQ(whole.data, data);
    }
    ASSERT_EQ(decode(wire, 1 + random() % 20), whole) << wire;
  }
}

}  // namespace
}  // namespace sluice::http::h1
