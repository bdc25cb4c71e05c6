#include "http/scan.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace sluice::http {
namespace {

// Everything that a scanner says about a text that stands `offset` bytes behind an aligned place. The slack that
// scanners ask for is filled with bytes that would be noticed.
std::string answers(const Scanner& scan, std::string_view text, char slack, std::size_t offset = 0) {
  std::string out;
  const auto note = [&out](std::size_t number) { out += std::to_string(number) + ","; };
  std::vector<char> memory(offset + text.size() + slack_bytes, slack);
  char* const bytes = memory.data() + offset;
  text.copy(bytes, text.size());
  note(scan.target(bytes, text.size()));
  note(scan.token(bytes, text.size()));
  note(scan.controls(bytes, text.size()));
  if (text.starts_with('/')) {
    std::string_view segments[8];
    const std::size_t count = scan.plain_path(bytes, text.size(), segments, std::size(segments));
    note(count);
    for (std::size_t i = 0; i < count; ++i) out.append(segments[i]).append("|");
  }
  FieldSpan span{};
  const std::size_t size = scan.field_line(bytes, text.size(), span);
  note(size);
  if (size > 0) {
    note(span.name_size), note(span.value_begin), note(span.value_end), note(span.has_underscore);
    out.append(bytes, text.size());
  }
  return out;
}

void expect_same(std::string_view text, char slack) {
  const std::string wanted = answers(scalar_scanner, text, slack);
  for (const Scanner* scan : scanners()) ASSERT_EQ(answers(*scan, text, slack), wanted) << scan->name << ": " << text;
}

// Lines whose interesting byte stands just before, at and just behind the end of a vector.
std::vector<std::string> lines_around_vectors() {
  std::vector<std::string> lines;
  for (const std::size_t name : {1, 15, 16, 17, 31, 32, 33, 63, 64, 65})
    for (const std::size_t value : {0, 1, 14, 15, 16, 17, 30, 31, 32, 33, 64})
      for (const char* end : {"\r\n", "\r", "\n", "\r\r\n", "\x01\r\n", "\x7f\r\n", " \t\r\n", "\r\nb: c\r\n"})
        lines.push_back(std::string(name, 'N') + ":" + std::string(value, 'v') + end);
  return lines;
}

TEST(Scan, TheBestOneIsOffered) { EXPECT_EQ(&scanner(), scanners().back()); }

TEST(Scan, I12_AllVersionsAgreeOnEveryByteAtEveryPlace) {
  for (const std::string base :
       {"x-name: a value of some length, longer than one vector of 32\r\n",
        "a-very-long-name-that-does-not-fit-in-one-vector-of-thirty-two: v\r\n",
        "/users/42/orders/7/items/a-rather-long-segment-here", "n:\r\n", "n: \t v \t \r\nnext: line\r\n"}) {
    for (std::size_t at = 0; at < base.size(); ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string text = base;
        text[at] = static_cast<char>(byte);
        expect_same(text, '/');
      }
      expect_same(base.substr(0, at), '\r');
      expect_same(base.substr(0, at), 'A');
    }
  }
}

TEST(Scan, I12_AllVersionsAgreeAtEveryAlignment) {
  const std::string path = "/users/42/orders/a-rather-long-segment-that-spans-vectors/..;x//%41/items";
  std::vector<std::string> texts = lines_around_vectors();
  for (std::size_t size = 1; size < path.size(); ++size) texts.push_back(path.substr(0, size));
  for (const std::string& text : texts) {
    const std::string wanted = answers(scalar_scanner, text, 'x');
    for (const Scanner* scan : scanners())
      for (std::size_t offset = 0; offset < 64; ++offset)
        ASSERT_EQ(answers(*scan, text, "/\r\nA"[offset % 4], offset), wanted)
            << scan->name << " at " << offset << ": " << text;
  }
}

TEST(Scan, I12_AllVersionsAgreeOnRandomTexts) {
  std::mt19937 random(11);
  using namespace std::string_literals;
  const std::string alphabet = "abzAZ09-_.~/;:%?# \t\r\n,=@[\\]^`{|}\"\x7f\x01\x00\x80\xff!&'()*+$<>"s;
  for (int i = 0; i < 200'000; ++i) {
    std::string text(random() % 100, '\0');
    const bool is_tame = i % 2 == 0;  // long runs of what is allowed, so that all vectors are seen
    for (char& c : text)
      c = is_tame && random() % 40 != 0 ? alphabet[random() % 12] : alphabet[random() % alphabet.size()];
    if (i % 3 == 0) text.insert(0, "/");
    if (i % 3 == 1) text += "\r\n";
    expect_same(text, alphabet[random() % alphabet.size()]);
  }
}

}  // namespace
}  // namespace sluice::http
