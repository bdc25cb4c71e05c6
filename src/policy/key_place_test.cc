#include "policy/key_place.h"

#include <gtest/gtest.h>

namespace sluice::policy {
namespace {

TEST(KeyPlace, TheLogDoesNotShowIt) {
  Arena arena;
  const auto hidden = [&](std::string_view text) { return hide_query_parameter(text, "my key", arena); };
  EXPECT_EQ(hidden("a=1&b=2"), "a=1&b=2");
  EXPECT_EQ(hidden("my+key=secret"), "my+key=***");
  EXPECT_EQ(hidden("a=1&my%20key=secret&b=2&my+key=a=b&c"), "a=1&my%20key=***&b=2&my+key=***&c");
  EXPECT_EQ(hidden("a;my+key=secret;x&b"), "a;my+key=***&b");
  EXPECT_EQ(hidden("https://a.example/p?my+key=secret"), "https://a.example/p?my+key=***");
  EXPECT_EQ(hidden("notmy+key=1"), "notmy+key=1");
  EXPECT_EQ(hidden(""), "");
}

TEST(KeyPlace, FormsAreDecoded) {
  Arena arena;
  EXPECT_EQ(decode_form("a+b%2Bc%2", arena), "a b+c%2");
  EXPECT_EQ(decode_form("%41%zz", arena), "A%zz");
}

}  // namespace
}  // namespace sluice::policy
