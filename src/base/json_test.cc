#include "base/json.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(Json, EscapesWhatCouldEndALineOrAString) {
  EXPECT_EQ(quoted("a\"b\\c\n\t\r\b\f"), R"("a\"b\\c\n\t\r\b\f")");
  EXPECT_EQ(quoted(std::string_view("\0\x1f\x7f", 3)), R"("\u0000\u001f\u007f")");
  EXPECT_EQ(quoted("\xc2\x85\xe2\x80\xa8\xe2\x80\xa9"), R"("\u0085\u2028\u2029")");
}

TEST(Json, KeepsUtf8AndReplacesTheRest) {
  EXPECT_EQ(quoted("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80"), "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\"");
  const char* const broken[] = {"\xff", "\xc0", "\xc3", "\xed", "\x80", "\xf5"};
  for (const char* text : broken) EXPECT_EQ(quoted(text), "\"\xef\xbf\xbd\"");
  EXPECT_EQ(quoted("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");                  // overlong slash
  EXPECT_EQ(quoted("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");  // a surrogate
}

TEST(Json, DecodesTheEdges) {
  EXPECT_EQ(decode_utf8("").size, 0);
  EXPECT_EQ(decode_utf8("\xf4\x8f\xbf\xbf").code, char32_t{0x10ffff});
  EXPECT_FALSE(decode_utf8("\xf4\x90\x80\x80").valid);
  EXPECT_FALSE(decode_utf8("\xe0\x9f\xbf").valid);
}

}  // namespace
}  // namespace sluice
