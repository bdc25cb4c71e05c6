#include "route/regex.h"

#include <gtest/gtest.h>

namespace sluice::route {
namespace {

std::shared_ptr<const Regex> path_regex(std::string_view text) {
  RegexFault fault;
  auto made = Regex::make(text, RegexSubject::path, fault);
  EXPECT_NE(made, nullptr) << fault.what;
  return made;
}

TEST(Regex, MatchesTheWholeText) {
  const auto regex = path_regex("/a[0-9]+");
  EXPECT_TRUE(regex->matches("/a12"));
  EXPECT_FALSE(regex->matches("/a12/"));
  EXPECT_FALSE(regex->matches("x/a12"));
}

TEST(Regex, CapturesNamedGroupsOnly) {
  const auto regex = path_regex("/(a|b)/(?P<id>[0-9]+)(/(?P<rest>.*))?");
  ASSERT_EQ(regex->group_names().size(), 2u);
  std::string_view found[2];
  ASSERT_TRUE(regex->capture("/a/12/x/y", found));
  EXPECT_EQ(regex->group_names()[0], "id");
  EXPECT_EQ(found[0], "12");
  EXPECT_EQ(found[1], "x/y");
  ASSERT_TRUE(regex->capture("/b/7", found));
  EXPECT_EQ(found[1], "");
  EXPECT_FALSE(regex->capture("/c/7", found));
}

TEST(Regex, SaysWhatIsWrong) {
  RegexFault fault;
  EXPECT_EQ(Regex::make("/a[b", RegexSubject::path, fault), nullptr);
  EXPECT_EQ(fault.what, "missing ]: [b");
  EXPECT_EQ(fault.fragment, "[b");
  EXPECT_FALSE(fault.is_too_large);
  EXPECT_EQ(Regex::make("\\pL{1000}", RegexSubject::value, fault), nullptr);
  EXPECT_TRUE(fault.is_too_large);
  std::string groups;
  for (int i = 0; i <= max_regex_groups; ++i) groups += "(a)";
  EXPECT_EQ(Regex::make(groups, RegexSubject::path, fault), nullptr);
}

// D08: time is linear whatever the pattern.
TEST(Regex, D08NestedQuantifiersCostNothing) {
  RegexFault fault;
  const auto regex = Regex::make("(a+)+$", RegexSubject::value, fault);
  ASSERT_NE(regex, nullptr);
  EXPECT_FALSE(regex->matches(std::string(50'000, 'a') + "b"));
}

TEST(Regex, LiteralBeginningIsConservative) {
  const std::pair<const char*, const char*> cases[] = {
      {"/a/b", "/a/b"},
      {"^/a/b$", "/a/b"},
      {"/a/[^/]+", "/a/"},
      {"/a/b?", "/a/"},
      {"/a/b*c", "/a/"},
      {"/a/b{2}", "/a/"},
      {"/a/b+", "/a/"},
      {"/a/.*", "/a/"},
      {"/a/(b|c)", "/a/"},
      {"/a|/b", ""},
      {"(?i)/a/b", ""},
      {"/a/(?i:b)", ""},
      {"/a/(?:b)", "/a/"},
      {"/a/(?P<x>b)", "/a/"},
      {"/a\\.b/c", "/a.b/c"},
      {"/a\\d/c", "/a"},
      {"/a\\.?/c", "/a"},
      {"\\Q/a/b\\E", ""},
      {"/a/[|]x", "/a/"},
      {"/a/[]|]x", "/a/"},
      {"/a/[[:alpha:]|]", "/a/"},
      {"/a/\\|x", "/a/|x"},
      {".*", ""},
      {"", ""},
      {"/a/(b|(c|d))|e", ""},
      {"/a/x|", ""},
      {"/a/\\pN", "/a/"},
      {"/a/[^]|]/b|c", ""},
      {"/a/\\x41", "/a/"},
      {"(/a)?/b", ""},
  };
  for (const auto& [pattern, beginning] : cases) EXPECT_EQ(literal_beginning(pattern), beginning) << pattern;
  EXPECT_EQ(literal_segments("/api/v1/[^/]+"), "/api/v1");
  EXPECT_EQ(literal_segments("/api/v1"), "/api");
  EXPECT_EQ(literal_segments("/api/v1/?"), "/api");
  EXPECT_EQ(literal_segments("/api"), "");
  EXPECT_EQ(literal_segments("api/v1/"), "");
}

TEST(RegexSet, TellsAllMembersThatMatch) {
  for (const int members : {1, 3, 4, 50}) {
    std::vector<std::shared_ptr<const Regex>> regexes;
    for (int i = 0; i < members; ++i) regexes.push_back(path_regex("/[a-z]*(/x" + std::to_string(i) + "|/all)"));
    const RegexSet set(regexes);
    std::vector<std::uint32_t> found;
    const auto note = [&](std::uint32_t index) { found.push_back(index); };
    set.each_match("/a/x0", note);
    EXPECT_EQ(found, std::vector<std::uint32_t>{0});
    found.clear();
    set.each_match("/q/all", note);
    EXPECT_EQ(found.size(), static_cast<std::size_t>(members));
    found.clear();
    set.each_match("/q/none", note);
    EXPECT_TRUE(found.empty());
  }
}

}  // namespace
}  // namespace sluice::route
