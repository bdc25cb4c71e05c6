#include "http/message.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "http/causes.h"

namespace sluice::http {
namespace {

std::string spell_out(const FieldList& fields) {
  std::string text;
  for (const Field& field : fields) text.append(field.name).append("=").append(field.value).append(";");
  return text;
}

TEST(Message, KnowsItsMethods) {
  EXPECT_EQ(method_of("GET"), Method::get);
  EXPECT_EQ(method_of("DELETE"), Method::delete_);
  EXPECT_EQ(method_of("get"), Method::other);
  EXPECT_EQ(method_of(""), Method::other);
  for (int i = 0; i < static_cast<int>(Method::other); ++i) {
    EXPECT_EQ(method_of(method_text(static_cast<Method>(i))), static_cast<Method>(i));
  }
  EXPECT_TRUE(is_idempotent(Method::put));
  EXPECT_FALSE(is_idempotent(Method::post));
  EXPECT_FALSE(is_idempotent(Method::other));
}

TEST(Message, FindsEveryFieldNameAndNothingElse) {
  for (int i = 1; i <= static_cast<int>(FieldId::cache_control); ++i) {
    const auto id = static_cast<FieldId>(i);
    ASSERT_FALSE(field_name(id).empty());
    EXPECT_EQ(field_id(field_name(id)), id);
    EXPECT_EQ(field_id(std::string(field_name(id)) + "x"), FieldId::other);
    EXPECT_EQ(field_id(field_name(id).substr(1)), FieldId::other);
  }
  EXPECT_EQ(field_id(""), FieldId::other);
  EXPECT_EQ(field_id("x-custom"), FieldId::other);
}

TEST(FieldList, KeepsOrderAndDuplicatesWhileItGrows) {
  Arena arena;
  FieldList fields;
  std::string wanted;
  for (int i = 0; i < 100; ++i) {
    const std::string_view name = arena.copy("n" + std::to_string(i % 7));
    fields.add(arena, name, "v");
    wanted.append(name).append("=v;");
  }
  EXPECT_EQ(spell_out(fields), wanted);
  EXPECT_EQ(fields.remove("n3"), 14u);
  EXPECT_EQ(fields.size(), 86u);
  EXPECT_EQ(fields.find("n3"), nullptr);
}

TEST(FieldList, SetReplacesInPlaceAndRemovesTheOthers) {
  Arena arena;
  FieldList fields;
  fields.add(arena, "a", "1");
  fields.add(arena, "b", "2");
  fields.add(arena, "a", "3");
  fields.set(arena, "a", "4");
  EXPECT_EQ(spell_out(fields), "a=4;b=2;");
  fields.set(arena, "server", "5");
  EXPECT_EQ(spell_out(fields), "a=4;b=2;server=5;");
  ASSERT_NE(fields.find(FieldId::server), nullptr);
  EXPECT_EQ(fields.find(FieldId::server)->value, "5");
}

TEST(FieldList, I4_FoldsDashAndUnderscoreWhenItRemovesWhatTheGatewayVouchesFor) {
  Arena arena;
  FieldList fields;
  fields.add(arena, "x-user", "1");
  fields.add(arena, "x_user", "2");
  fields.add(arena, "x-users", "3");
  EXPECT_EQ(fields.remove_folded("x-user"), 2u);
  EXPECT_EQ(spell_out(fields), "x-users=3;");
}

TEST(FieldList, ACopyIsIndependent) {
  Arena arena;
  FieldList fields;
  EXPECT_EQ(fields.copy(arena, 0).size(), 0u);
  fields.add(arena, "a", "1");
  FieldList copy = fields.copy(arena, 2);
  copy.add(arena, "b", "2");
  copy.set(arena, "a", "9");
  EXPECT_EQ(spell_out(fields), "a=1;");
  EXPECT_EQ(spell_out(copy), "a=9;b=2;");
}

TEST(Causes, AreListedOnceEach) {
  std::set<std::string> codes;
  for (const Cause* cause : causes()) EXPECT_TRUE(codes.insert(cause->code).second) << cause->code;
  EXPECT_TRUE(codes.contains("request_malformed"));
  EXPECT_TRUE(codes.contains("client_too_slow"));
}

}  // namespace
}  // namespace sluice::http
