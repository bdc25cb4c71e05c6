#include "net/proxy_header.h"

#include <gtest/gtest.h>

namespace sluice::net {
namespace {

constexpr std::string_view mark("\r\n\r\n\0\r\nQUIT\n", 12);

std::string v2(unsigned command, unsigned family, std::string_view body) {
  std::string out(mark);
  out += static_cast<char>(command);
  out += static_cast<char>(family);
  out += static_cast<char>(body.size() >> 8);
  out += static_cast<char>(body.size() & 0xff);
  return out.append(body);
}
const std::string v4_body("\x0a\x01\x02\x03\x7f\x00\x00\x01\x30\x39\x1f\x90", 12);

// "10.1.2.3:12345", "own" when the peer's address holds, "more", or what is wrong.
std::string outcome(std::string_view bytes) {
  const auto header = read_proxy_header(bytes);
  if (!header) return header.error().what;
  if (header->bytes == 0) return "more";
  EXPECT_LE(header->bytes, bytes.size());
  return header->source ? header->source->text() : "own";
}

TEST(ProxyHeader, BothVersions) {
  EXPECT_EQ(outcome("PROXY TCP4 10.1.2.3 127.0.0.1 12345 8080\r\nGET"), "10.1.2.3:12345");
  EXPECT_EQ(outcome("PROXY TCP6 fd00::1 ::1 1 65535\r\n"), "[fd00::1]:1");
  EXPECT_EQ(outcome("PROXY UNKNOWN\r\n"), "own");
  EXPECT_EQ(outcome("PROXY UNKNOWN anything at all here\r\n"), "own");
  EXPECT_EQ(outcome(v2(0x21, 0x11, v4_body)), "10.1.2.3:12345");
  EXPECT_EQ(outcome(v2(0x21, 0x11, v4_body + std::string("\x04\x00\x02xy", 5))), "10.1.2.3:12345");
  EXPECT_EQ(outcome(v2(0x20, 0x00, "")), "own");
  EXPECT_EQ(outcome(v2(0x20, 0x11, v4_body)), "own");
  EXPECT_EQ(outcome(v2(0x21, 0x00, "whatever")), "own");
  EXPECT_EQ(outcome(v2(0x21, 0x31, std::string(216, 'u'))), "own");
  std::string v6(36, '\0');
  v6[15] = 1;
  v6[33] = 7;
  EXPECT_EQ(outcome(v2(0x21, 0x21, v6)), "[::1]:7");
}

TEST(ProxyHeader, IsWaitedForByteByByte) {
  for (const std::string& whole :
       {std::string("PROXY TCP4 10.1.2.3 127.0.0.1 12345 8080\r\n"), v2(0x21, 0x11, v4_body)}) {
    for (std::size_t size = 1; size < whole.size(); ++size)
      ASSERT_EQ(outcome(std::string_view(whole).substr(0, size)), "more") << size;
    const auto header = read_proxy_header(whole + "rest");
    EXPECT_EQ(header->bytes, whole.size());
  }
}

TEST(ProxyHeader, T04WhatIsNotExactIsRefused) {
  for (const std::string& bytes : {
           std::string("GET / HTTP/1.1\r\n"),
           std::string("\r\n\r\nGET"),
           std::string("PROXY TCP4 10.1.2.3 127.0.0.1 12345\r\n"),
           std::string("PROXY TCP4 10.1.2.3 127.0.0.1 12345 8080 \r\n"),
           std::string("PROXY TCP4  10.1.2.3 127.0.0.1 12345 8080\r\n"),
           std::string("PROXY TCP4 10.1.2.3 127.0.0.1 012 8080\r\n"),
           std::string("PROXY TCP4 10.1.2.3 127.0.0.1 70000 8080\r\n"),
           std::string("PROXY TCP4 10.1.2.256 127.0.0.1 1 2\r\n"),
           std::string("PROXY TCP4 ::1 ::1 1 2\r\n"),
           std::string("PROXY TCP6 10.1.2.3 10.1.2.4 1 2\r\n"),
           std::string("PROXY UDP4 10.1.2.3 127.0.0.1 1 2\r\n"),
           std::string("PROXY TCP4 10.1.2.3 127.0.0.1 1 2\n\r\n"),
           "PROXY UNKNOWN " + std::string(100, 'x'),
           v2(0x11, 0x11, v4_body),
           v2(0x22, 0x11, v4_body),
           v2(0x21, 0x12, v4_body),
           v2(0x21, 0x11, v4_body.substr(0, 11)),
           v2(0x21, 0x21, v4_body),
           v2(0x21, 0x11, v4_body + "\x04"),
           v2(0x21, 0x11, v4_body + std::string("\x04\x00\x03xy", 5)),
           v2(0x21, 0x11, v4_body + std::string("\x04\xff\xff", 3)),
       }) {
    const std::string said = outcome(bytes);
    EXPECT_TRUE(said.find("PROXY") != std::string::npos) << bytes << " -> " << said;
  }
  EXPECT_EQ(outcome(v2(0x20, 0x00, std::string(most_proxy_header_bytes - 16, 'x'))), "own");
  EXPECT_EQ(outcome(v2(0x20, 0x00, std::string(most_proxy_header_bytes - 15, 'x'))),
            "PROXY header longer than 2048 bytes");
}

TEST(ProxyHeader, WhatIsWrittenReadsBack) {
  const auto address = [](const char* text) { return Address::parse(text).value(); };
  for (const auto version : {ProxyVersion::v1, ProxyVersion::v2}) {
    for (const char* const source : {"10.1.2.3:12345", "[fd00::1]:9"}) {
      for (const char* const destination : {"127.0.0.1:8080", "[::1]:80"}) {
        const std::string header = write_proxy_header(version, address(source), address(destination));
        const auto read = read_proxy_header(header);
        ASSERT_TRUE(read && read->bytes == header.size()) << header;
        EXPECT_EQ(read->source->text(), source);
      }
    }
  }
  EXPECT_EQ(write_proxy_header(ProxyVersion::v1, address("10.1.2.3:12345"), address("127.0.0.1:8080")),
            "PROXY TCP4 10.1.2.3 127.0.0.1 12345 8080\r\n");
}

}  // namespace
}  // namespace sluice::net
