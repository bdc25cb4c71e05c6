#include "route/analysis.h"

#include <gtest/gtest.h>

#include "route/sample_test.h"

namespace sluice::route {
namespace {

using sample::match_of;

// One line a warning: "code: what; help".
std::string findings(std::initializer_list<std::string> matches) {
  std::deque<MatchConfig> configs;
  std::vector<NamedRule> rules;
  for (const std::string& yaml : matches) {
    configs.push_back(match_of(yaml));
    rules.push_back({std::string(1, static_cast<char>('a' + rules.size())), {}, "", &configs.back()});
  }
  config::Diagnostics diagnostics;
  find_unreachable_routes(rules, diagnostics);
  std::string text;
  for (const auto& one : diagnostics.all()) text += one.code + ": " + one.what + "; " + one.help + "\n";
  return text;
}

std::string shadowed(const std::string& route, const std::string& by, const std::string& sample) {
  return "shadowed_route: route '" + route + "' is never taken: route '" + by +
         "' is preferred for all its requests; " +
         (sample.empty() ? "remove one of them, or tell them apart by a condition\n"
                         : "both match, for example, " + sample + "; remove one, or tell them apart by a condition\n");
}
std::string duplicate(const std::string& route, const std::string& of, const std::string& sample) {
  return "duplicate_route: route '" + route + "' matches what route '" + of + "' matches and is never taken; " +
         (sample.empty() ? "remove one of them, or tell them apart by a condition\n"
                         : "both match, for example, " + sample + "; remove one, or tell them apart by a condition\n");
}

TEST(Analysis, FindsDuplicates) {
  EXPECT_EQ(
      findings({"{host: api.example.com, path: '/users/{id}'}", "{host: api.example.com, path: '/users/{name}'}"}),
      duplicate("b", "a", "`GET http://api.example.com/users/1`"));
  EXPECT_EQ(findings({"path: {regex: '/a/.+'}", "path: {regex: '/a/.+'}"}),
            duplicate("b", "a", "`GET http://example.com/a/1`"));
  EXPECT_EQ(findings({"{}", "{}"}), duplicate("b", "a", "`GET http://example.com/`"));
  EXPECT_EQ(findings({"{path: /a, header: {x: '1'}, query: {q: {prefix: 'a b'}}}",
                      "{path: /a, header: {x: '1'}, query: {q: {prefix: 'a b'}}}"}),
            duplicate("b", "a", "`GET http://example.com/a?q=a%20b` with `x: 1`"));
  EXPECT_EQ(findings({"path: {regex: '/[^a-zA-Z0-9/]{7}'}", "path: {regex: '/[^a-zA-Z0-9/]{7}'}"}),
            duplicate("b", "a", ""));
}

TEST(Analysis, FindsWiderConditions) {
  EXPECT_EQ(findings({"{path: /a, method: [GET, PUT]}", "{path: /a, method: PUT}"}),
            shadowed("b", "a", "`PUT http://example.com/a`"));
  EXPECT_EQ(findings({"{path: /a/*, header: {x: {present: true}}}", "{path: /a/*, header: {x: abc}}"}),
            shadowed("b", "a", "`GET http://example.com/a` with `x: abc`"));
  EXPECT_EQ(findings({"{path: /a/*, header: {x: {prefix: a}}}", "{path: /a/*, header: {x: {prefix: ab}}}"}),
            shadowed("b", "a", "`GET http://example.com/a` with `x: ab`"));
  EXPECT_EQ(findings({"{path: /a, listener: [p, q]}", "{path: /a, listener: p}"}),
            shadowed("b", "a", "`GET http://example.com/a`"));
  EXPECT_EQ(findings({"path: /a", "{path: [/a, /b]}", "path: /b"}),
            duplicate("c", "b", "").replace(0, std::string::npos, shadowed("c", "b", "`GET http://example.com/b`")));
  EXPECT_EQ(findings({"path: /b", "path: /a", "path: [/a, /b]"}), shadowed("c", "b", "`GET http://example.com/a`"));
}

TEST(Analysis, FindsPrefixesThatARegexTakes) {
  EXPECT_EQ(findings({"{host: '*.x.org', path: /api/v1/*}", "{host: '*.x.org', path: {regex: '^/api/.*$'}}"}),
            shadowed("a", "b", "`GET http://www.x.org/api/v1`"));
  EXPECT_EQ(findings({"path: /*", "path: {regex: '/.*'}"}), shadowed("a", "b", "`GET http://example.com/`"));
  EXPECT_EQ(findings({"path: /api/*", "path: {regex: '/api/.*'}"}), "") << "/api itself is left to the prefix";
  EXPECT_EQ(findings({"path: /api/v1/*", "{path: {regex: '/api/.*'}, method: GET}"}), "");
}

TEST(Analysis, IsSilentWhereARouteCanBeTaken) {
  EXPECT_EQ(findings({"path: /*", "path: /a/*", "path: '/a/{x}'", "path: /a/b", "{host: h, path: /*}",
                      "{host: '*.h', path: /*}", "{}"}),
            "");
  EXPECT_EQ(
      findings({"{path: /a, method: GET}", "path: /a", "{path: /a, header: {x: '1'}}", "{path: /a, header: {x: '2'}}"}),
      "");
  EXPECT_EQ(findings({"{path: /a, listener: p}", "{path: /a, listener: q}"}), "");
  EXPECT_EQ(findings({"{path: /a, listener: p}", "path: /a"}), "");
  EXPECT_EQ(findings({"{path: /a, header: {x: {regex: 'a+'}}}", "{path: /a, header: {x: {regex: 'b+'}}}"}), "");
  EXPECT_EQ(findings({"path: [/a, /a]"}), "") << "a route does not hide itself";
  EXPECT_EQ(findings({"path: /a", "path: [/a, /b]"}), "") << "one path of two is left";
}

TEST(Analysis, PointsAtBothRoutes) {
  const MatchConfig match = match_of("path: /a");
  config::Diagnostics diagnostics;
  const auto file = diagnostics.add_source("gateway.yaml", "routes:\n  - one\n  - two\n");
  const NamedRule rules[] = {{"one", {2, 5, file, 3}, "routes[0]", &match},
                             {"two", {3, 5, file, 3}, "routes[1]", &match}};
  find_unreachable_routes(rules, diagnostics);
  EXPECT_EQ(
      diagnostics.render(),
      "gateway.yaml:3:5: warning[duplicate_route]: routes[1]: route 'two' matches what route 'one' matches and is "
      "never taken\n"
      "    3 |   - two\n"
      "      |     ^~~\n"
      "   note: route 'one' is here: gateway.yaml:2:5\n"
      "   help: both match, for example, `GET http://example.com/a`; remove one, or tell them apart by a condition\n");
}

// Near linear: 10,000 routes at one host and path, told apart by a header, and 10,000 at as many paths.
TEST(Analysis, ManyRoutes) {
  std::deque<MatchConfig> configs;
  std::vector<NamedRule> rules;
  for (int i = 0; i < 20'000; ++i) {
    MatchConfig& made = configs.emplace_back();
    PathPattern path{.kind = PathPattern::Kind::exact, .text = i % 2 ? "/a" : "/p" + std::to_string(i)};
    made.path.push_back(path);
    if (i % 2) made.header.list.push_back({"x", {.kind = StringMatch::Kind::exact, .text = std::to_string(i)}, {}});
    rules.push_back({"r", {}, "", &made});
  }
  config::Diagnostics diagnostics;
  find_unreachable_routes(rules, diagnostics);
  EXPECT_TRUE(diagnostics.is_empty());
}

}  // namespace
}  // namespace sluice::route
