#include "policy/field_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/document.h"

namespace sluice::policy {
namespace {

using ::testing::HasSubstr;

template <class T>
std::string read(std::string_view yaml, T& out) {
  config::Diagnostics diagnostics;
  const auto document = config::parse(std::string(yaml), "a.yaml", diagnostics);
  config::ReadContext context(diagnostics);
  if (document) (void)T::read(document->root(), out, context);  // the diagnostics say it all
  return diagnostics.render();
}

TEST(FieldName, IsALowerCaseToken) {
  FieldName field;
  EXPECT_EQ(read("X-Request-ID", field), "");
  EXPECT_EQ(field.name, "x-request-id");
  for (const char* name : {"\"\"", "a b", "\"a:\"", "\"a\\tb\"", "\"\xc3\xa4\""})
    EXPECT_THAT(read(name, field), HasSubstr("error[bad_header_name]")) << name;
}

// I2: what frames a message is generated from facts, never from a config.
TEST(FieldName, IsNoneThatTheGatewayWrites) {
  for (const char* name : {"connection", "Content-Length", "expect", "Host", "keep-alive", "proxy-connection", "te",
                           "trailer", "Transfer-Encoding", "upgrade"}) {
    FieldName field;
    EXPECT_THAT(read(name, field), HasSubstr("error[generated_header]")) << name;
  }
  EXPECT_TRUE(is_generated("host"));
  EXPECT_FALSE(is_generated("x-host"));
}

TEST(FieldValues, KeepTheOrderOfTheFile) {
  FieldValues values;
  EXPECT_EQ(read("{x-b: \"1\", X-A: \"{host}\", x-c: 3}", values), "");
  ASSERT_EQ(values.list.size(), 3U);
  EXPECT_EQ(values.list[0].name, "x-b");
  EXPECT_EQ(values.list[1].name, "x-a");
  EXPECT_EQ(values.list[1].value.text(), "{host}");
  EXPECT_EQ(config::dump(values), R"({"x-b": "1", "x-a": "{host}", "x-c": "3"})");
}

TEST(FieldValues, EveryMistakeIsReported) {
  FieldValues values;
  const std::string told = read("{host: a, x-a: \"{\", \"x b\": c}", values);
  EXPECT_THAT(told, HasSubstr("error[generated_header]"));
  EXPECT_THAT(told, HasSubstr("error[bad_template]"));
  EXPECT_THAT(told, HasSubstr("error[bad_header_name]"));
}

}  // namespace
}  // namespace sluice::policy
