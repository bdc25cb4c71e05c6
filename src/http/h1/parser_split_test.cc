// The outcome may not depend on where the bytes are cut (S23), nor may the upstream read another message than we did.

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "http/h1/sample_test.h"
#include "http/scan.h"

namespace sluice::http::h1 {
namespace {

using namespace std::string_literals;
using sample::Outcome;
using sample::parse;

const std::string accepted_samples[] = {
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\n\r\nGET /a//b/../c;d?x HTTP/1.1\r\nHost: A.b:80\r\nX-Y:  z  \r\n\r\nGET /next HTTP/1.1\r\n\r\n",
    "POST http://b/%7e HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close, x-a\r\nX-A: 1\r\n\r\nhello",
    "PUT /%2f HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\nCookie: a=b\r\nCookie: "
    "c=d\r\n\r\n0\r\n\r\n",
    "OPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\nUser-Agent: \xff\r\nEmpty:\r\n\r\n",
    "GET /long HTTP/1.1\r\nHost: a\r\nA-Very-Long-Name-That-Spans-More-Than-One-Vector-Of-Thirty-Two: " +
        std::string(100, 'v') + "\r\n\r\n",
};

const std::string refused_samples[] = {
    "GET / HTTP/1.1\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\tfold\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nx: a\rb\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nx: a\0b\r\n\r\n"s,
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "GET /.. HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    // With the small limits below:
    "GET /" + std::string(300, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nx: " + std::string(300, 'a') + "\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nx: \x01" + std::string(300, 'a') + "\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nx: " + std::string(190, 'a') + "\r\ny: " + std::string(190, 'b') +
        "\r\nz: " + std::string(190, 'c') + "\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\na: 1\r\nb: 1\r\nc: 1\r\nd: 1\r\ne: 1\r\nf: 1\r\ng: 1\r\nh: 1\r\n\r\n",
};

const HeadLimits small_limits{.start_line_bytes = 200, .field_line_bytes = 200, .head_bytes = 512, .fields = 8};

void expect_same_at_every_cut(const std::string& bytes, const HeadLimits& limits) {
  const Outcome whole = parse(bytes, limits);
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    Outcome cut_in_two = sample::parse_in_two(bytes, cut, limits);
    ASSERT_EQ(cut_in_two, whole) << "cut at " << cut << "\n"
                                 << bytes << "\n"
                                 << cut_in_two.detail << " / " << whole.detail;
  }
  for (const std::size_t step : {1, 2, 3, 7})
    ASSERT_EQ(sample::parse_in_steps(bytes, step, limits), whole) << step << "\n" << bytes;
}

TEST(RequestSplit, S23_AcceptedSamplesAtEveryCut) {
  for (const std::string& bytes : accepted_samples) {
    const Outcome whole = parse(bytes);
    ASSERT_TRUE(whole.complete) << bytes << whole.detail;
    expect_same_at_every_cut(bytes, {});
    EXPECT_EQ(bytes.substr(whole.consumed - 4, 4), "\r\n\r\n");
  }
}

TEST(RequestSplit, S23_RefusedSamplesAtEveryCut) {
  for (const std::string& bytes : refused_samples) {
    ASSERT_NE(parse(bytes, small_limits).cause, nullptr) << bytes;
    expect_same_at_every_cut(bytes, small_limits);
  }
}

// Bytes that are nearly a request: samples, cut up, glued together and changed.
std::string mutated(std::mt19937& random) {
  std::string text = accepted_samples[random() % std::size(accepted_samples)];
  const std::string spices =
      "\r\n\t :;,/.%#?_\0\x7f\x80"
      "A1-"s;
  for (auto count = random() % 4; count > 0; --count) {
    const std::size_t at = random() % text.size();
    switch (random() % 4) {
      case 0:
        text[at] = spices[random() % spices.size()];
        break;
      case 1:
        text.insert(at, 1, spices[random() % spices.size()]);
        break;
      case 2:
        text.erase(at, 1 + random() % 3);
        break;
      default: {
        const std::string& other = refused_samples[random() % std::size(refused_samples)];
        text.insert(at, other.substr(random() % other.size(), random() % 40));
      }
    }
    if (text.empty()) text = "x";
  }
  return text;
}

TEST(RequestSplit, S23_MutatedRequestsInRandomPieces) {
  std::mt19937 random(23);
  int accepted = 0;
  for (int i = 0; i < 60'000; ++i) {
    const std::string bytes = mutated(random);
    const HeadLimits& limits = i % 2 == 0 ? HeadLimits{} : small_limits;
    const Outcome whole = parse(bytes, limits);
    std::vector<std::string_view> pieces;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t size = 1 + random() % (i % 3 == 0 ? 3 : 60);
      pieces.push_back(std::string_view(bytes).substr(at, size));
      at += size;
    }
    ASSERT_EQ(parse(pieces, limits), whole) << bytes;
    accepted += whole.complete ? 1 : 0;
  }
  EXPECT_GT(accepted, 5'000);
}

// The parser and the canonicaliser on every version of the scanner.
TEST(RequestSplit, I12_TheSameOnEveryScanner) {
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  constexpr int requests = 10'000;
#else
  constexpr int requests = 200'000;
#endif
  std::mt19937 random(31);
  for (int i = 0; i < requests; ++i) {
    const std::string bytes = mutated(random);
    const std::size_t cut = random() % (bytes.size() + 1);
    choose_scanner(scalar_scanner);
    const Outcome wanted = sample::parse_in_two(bytes, cut);
    for (const Scanner* scan : scanners().subspan(1)) {
      choose_scanner(*scan);
      ASSERT_EQ(sample::parse_in_two(bytes, cut), wanted) << scan->name << ": " << bytes;
    }
  }
}

TEST(RequestSplit, I2_WhatWeWriteReadsBackAsTheSameRequest) {
  std::mt19937 random(29);
  for (int i = 0; i < 60'000; ++i) {
    const Outcome first = parse(mutated(random));
    if (!first.complete) continue;
    if (first.request.find("  host=") != std::string::npos) continue;  // HTTP/1.0 without Host: the gateway names one
    ASSERT_FALSE(first.rewritten.empty()) << first.request;
    const Outcome second = parse(first.rewritten);
    ASSERT_TRUE(second.complete) << first.rewritten << second.detail;
    ASSERT_EQ(second.consumed, first.rewritten.size());
    ASSERT_EQ(second.rewritten, first.rewritten);
  }
}

TEST(RequestSplit, ALongHeadByteByByteCostsItsLength) {
  std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 7; ++i) head += "x: " + std::string(8000, 'v') + "\r\n";
  head += "\r\n";
  Arena arena;
  const HeadLimits limits;
  RequestParser parser(limits);
  parser.start(arena);
  for (std::size_t at = 0; at < head.size(); ++at) {
    const auto progress = parser.feed(std::string_view(head).substr(at, 1));
    ASSERT_TRUE(progress);
    ASSERT_EQ(progress->complete, at + 1 == head.size());
  }
  EXPECT_LT(arena.used_bytes(), 4 * head.size());
}

}  // namespace
}  // namespace sluice::http::h1
