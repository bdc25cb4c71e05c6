#include "config/diagnostic.h"

#include <gtest/gtest.h>

#include "config/suggest.h"

namespace sluice::config {
namespace {

// The lines of what is printed.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

TEST(Diagnostics, RendersThePlaceTheValueTheRangeAndTheRemedy) {
  Diagnostics all;
  const auto file = all.add_source("gateway.yaml", std::string(13, '\n') + "        requests: 0\n");
  auto& d =
      all.error({14, 19, file, 1}, "out_of_range", "routes[2].policies[0].rate_limit.requests", "0 is out of range");
  d.want = "want 1 to 1000000, requests admitted per window and client key";
  d.help = "to refuse every request use the `deny` policy";
  EXPECT_EQ(all.render(),
            R"(gateway.yaml:14:19: error[out_of_range]: routes[2].policies[0].rate_limit.requests: 0 is out of range
   14 |         requests: 0
      |                   ^ want 1 to 1000000, requests admitted per window and client key
   help: to refuse every request use the `deny` policy
)");
}

TEST(Diagnostics, SortsByPlaceAndKeepsTheOrderOfFindingAtOne) {
  Diagnostics all;
  const auto first = all.add_source("a.yaml", "one\ntwo\n");
  const auto second = all.add_source("b.yaml", "three\n");
  all.error({1, 1, second, 5}, "c4", "", "");
  all.error({2, 1, first, 3}, "c2", "", "");
  all.warning({2, 1, first, 3}, "c3", "", "");
  all.error({1, 2, first, 1}, "c1", "", "");
  const std::string text = all.render();
  EXPECT_LT(text.find("[c1]"), text.find("[c2]"));
  EXPECT_LT(text.find("[c2]"), text.find("warning[c3]"));
  EXPECT_LT(text.find("[c3]"), text.find("[c4]"));
  EXPECT_EQ(all.error_count(), 3u);
  EXPECT_EQ(all.warning_count(), 1u);
}

TEST(Diagnostics, PrintsAHundredAndCountsTheRest) {
  Diagnostics all;
  for (int i = 0; i < 20'000; ++i) all.error({}, "x", "", "y");
  EXPECT_EQ(all.all().size(), Diagnostics::max_kept);
  const auto lines = lines_of(all.render());
  ASSERT_EQ(lines.size(), 101u);
  EXPECT_EQ(lines.back(), "and 19900 more");
}

TEST(Diagnostics, ShowsPartOfALongLine) {
  Diagnostics all;
  const auto file = all.add_source("g", std::string(500, 'a') + "HERE" + std::string(500, 'b'));
  all.error({1, 501, file, 4}, "x", "", "y");
  const auto lines = lines_of(all.render());
  EXPECT_EQ(lines[1].size(), 8 + Diagnostics::max_columns);
  EXPECT_TRUE(lines[1].starts_with("    1 | ...a"));
  EXPECT_TRUE(lines[1].ends_with("b..."));
  EXPECT_EQ(lines[1].find("HERE"), lines[2].find("^~~~"));
}

TEST(Diagnostics, ALineAtTheLimitIsShownWhole) {
  for (const std::size_t size : {Diagnostics::max_columns, Diagnostics::max_columns + 1}) {
    Diagnostics all;
    const auto file = all.add_source("g", std::string(size, 'a'));
    all.error({1, 1, file, 1}, "x", "", "y");
    EXPECT_EQ(lines_of(all.render())[1].ends_with("..."), size > Diagnostics::max_columns);
  }
}

TEST(Diagnostics, NothingFromTheFileDrivesTheTerminal) {
  Diagnostics all;
  const auto file = all.add_source("g\x1b[0m",
                                   "a\x1b[31mb\tc\xe2\x80\xae"
                                   "d\xff: 1\n");
  all.error({1, 13, file, 1}, "x", "p\n", "what\x1b").want = "w\r";
  EXPECT_EQ(all.render(),
            "g\\u{1b}[0m:1:13: error[x]: p\\n: what\\u{1b}\n"
            "    1 | a\\u{1b}[31mb\\tc\\u{202e}d\\xff: 1\n"
            "      |                             ^ w\\r\n");
}

TEST(Diagnostics, ConcealsSecretsInEveryEcho) {
  Diagnostics all;
  const auto file = all.add_source("g", "{a: hunter2, b: 1}\n");
  all.conceal({1, 5, file, 7});
  all.error({1, 14, file, 1}, "x", "", "y");
  EXPECT_EQ(all.render().find("hunter2"), std::string::npos);
  EXPECT_NE(all.render().find("{a: *******, b: 1}"), std::string::npos);
}

TEST(Diagnostics, PlacesBeyondTheTextDoNoHarm) {
  Diagnostics all;
  const auto file = all.add_source("g", "a\n");
  all.error({1, 9, file, 50}, "x", "", "y");
  all.error({7, 1, file, 5}, "x", "", "y").want = "want z";
  all.error({1, 1, 77, 5}, "x", "", "y");
  all.error({}, "x", "", "y");
  EXPECT_EQ(all.render(),
            "g:1:9: error[x]: y\n    1 | a\n      |   ^\n"
            "g:7:1: error[x]: y\n   help: want z\n"
            ":1:1: error[x]: y\nerror[x]: y\n");
}

TEST(Diagnostics, WritesOneJsonObjectALine) {
  Diagnostics all;
  const auto file = all.add_source("g.yaml", "a: 1\na: 2\n");
  auto& d = all.error({2, 1, file, 1}, "duplicate_key", "", "'a' is given twice");
  d.help = "remove one";
  d.notes.push_back({"first given here", {1, 1, file, 1}});
  EXPECT_EQ(all.render_json(),
            R"({"severity": "error", "code": "duplicate_key", "file": "g.yaml", "line": 2, "column": 1, "width": 1, )"
            R"("path": "", "what": "'a' is given twice", "want": "", "help": "remove one", )"
            R"("notes": [{"what": "first given here", "file": "g.yaml", "line": 1, "column": 1, "width": 1}]})"
            "\n");
}

TEST(DidYouMean, FindsTheNearest) {
  const std::string_view words[] = {"listeners", "upstreams", "policies", "routes", "tests", "to"};
  EXPECT_EQ(did_you_mean("upstream", words), "upstreams");
  EXPECT_EQ(did_you_mean("rotues", words), "routes");
  EXPECT_EQ(did_you_mean("Policies", words), "policies");
  EXPECT_EQ(did_you_mean("polcy", words), std::nullopt);  // three edits in five letters
  EXPECT_EQ(did_you_mean("banana", words), std::nullopt);
  EXPECT_EQ(did_you_mean("", words), std::nullopt);
  EXPECT_EQ(did_you_mean(std::string(1000, 'x'), words), std::nullopt);
  EXPECT_EQ(did_you_mean("least-request", std::array<std::string_view, 1>{"least_request"}), "least_request");
}

TEST(DidYouMean, ListsWhatIsKnownWhenNothingIsNear) {
  const std::string_view words[] = {"a_long_one", "another"};
  EXPECT_EQ(suggestion("zzz", words, "keys"), "known keys: a_long_one, another");
  EXPECT_EQ(suggestion("anothr", words, "keys"), "did you mean 'another'?");
  EXPECT_EQ(suggestion("x", {}, "keys"), "");
}

}  // namespace
}  // namespace sluice::config
