// The compiled router against a plain one (plain_router_test.h).

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <memory>
#include <random>

#include "route/analysis.h"
#include "route/explain.h"
#include "route/plain_router_test.h"
#include "route/sample_test.h"

namespace sluice::route {
namespace {

using sample::TestRequest;
using sample::TestTable;

// Small alphabets, so that patterns meet often.
class Generator {
 public:
  explicit Generator(std::uint32_t seed) : random_(seed) {}

  MatchConfig match() {
    MatchConfig made;
    for (int n = below(3); n > 0 && below(2) == 0; --n) made.host.push_back(host_pattern());
    for (int n = below(8) == 0 ? 0 : 1 + below(2); n > 0; --n) made.path.push_back(path_pattern());
    for (int n = below(4) - 1; n > 0; --n) made.method.push_back({std::string(methods_[pick(methods_)])});
    for (const char* name : {"x", "y"})
      if (below(5) == 0) made.header.list.push_back({name, string_match(), {}});
    for (const char* name : {"p", "q"})
      if (below(5) == 0) made.query.list.push_back({name, string_match(), {}});
    return made;
  }

  std::string request_line() {
    std::string line = std::string(methods_[pick(methods_)]) + " http://";
    line += hosts_[pick(hosts_)];
    if (below(30) == 0) return line;  // OPTIONS *-like: no path
    const int segments = 1 + below(4);
    for (int i = 0; i < segments; ++i) (line += '/') += segment();
    if (below(6) == 0) line += '/';
    if (below(2) == 0) line += "?" + query();
    return line;
  }
  std::vector<std::pair<std::string, std::string>> fields() {
    std::vector<std::pair<std::string, std::string>> made;
    for (int n = below(4); n > 0; --n) made.emplace_back(below(2) == 0 ? "x" : "y", value());
    return made;
  }

 private:
  int below(int bound) { return static_cast<int>(random_() % static_cast<unsigned>(bound)); }
  template <class T>
  std::size_t pick(const T& from) {
    return random_() % from.size();
  }
  std::string segment() { return std::string(1, "abc"[below(3)]); }
  std::string value() { return below(2) == 0 ? segment() : segment() + segment(); }
  std::string query() {
    std::string made;
    for (int n = below(4); n > 0; --n) {
      made += made.empty() ? "" : "&";
      made += below(2) == 0 ? "p" : below(2) == 0 ? "q" : "%71";  // %71 is q
      if (below(4) != 0) made += "=" + value();
    }
    return made;
  }
  HostPattern host_pattern() {
    static constexpr std::array<std::string_view, 3> domains{"x", "b.x", "a.b.x"};
    if (below(2) == 0) return {.name = std::string(hosts_[pick(hosts_)]), .is_wildcard = false, .place = {}};
    return {.name = std::string(domains[pick(domains)]), .is_wildcard = true, .place = {}};
  }
  PathPattern path_pattern() {
    if (below(4) == 0) return regex_pattern();
    PathPattern made;
    const int count = below(4);
    bool has_parameter = false;
    for (int i = 0; i < count; ++i) {
      const bool is_parameter = below(3) == 0;
      has_parameter |= is_parameter;
      made.segments.push_back({is_parameter ? "n" + std::to_string(i) : segment(), is_parameter});
    }
    const bool is_prefix = count == 0 || below(3) == 0;
    if (!is_prefix && below(6) == 0) made.segments.push_back({"", false});
    for (const PathSegment& one : made.segments) made.text += one.is_parameter ? "/{" + one.text + "}" : "/" + one.text;
    made.kind = is_prefix       ? PathPattern::Kind::prefix
                : has_parameter ? PathPattern::Kind::template_
                                : PathPattern::Kind::exact;
    if (is_prefix) made.text += below(2) == 0 ? "/*" : (made.rest_name = "rest", "/{rest*}");
    return made;
  }
  PathPattern regex_pattern() {
    static constexpr std::array<const char*, 16> texts{
        "/.*",      "/a/.*",    "/a/b/[a-c]",        "/a/(b|c)", "/[ab]/c.*", "/a|/b/.*",
        "(?i)/A/B", "/a/b?.*",  "/(?P<one>[^/]+)/b", "^/b/.*$",  "/a/b/c",    "/c/a/?",
        ".+a",      "/a/[^/]*", "/b/(?:a/)*c",       "/a/b/.+"};
    const std::string text = texts[pick(texts)];
    return {.kind = PathPattern::Kind::regex, .text = text, .regex = regex_of(text, RegexSubject::path)};
  }
  StringMatch string_match() {
    StringMatch made;
    made.kind = static_cast<StringMatch::Kind>(below(5));
    made.text = value();
    if (made.kind == StringMatch::Kind::prefix) made.text.resize(1);
    if (made.kind == StringMatch::Kind::regex) made.regex = regex_of(made.text = segment() + "+", RegexSubject::value);
    return made;
  }

  // Compiled once for all tables: there are few texts.
  static std::shared_ptr<const Regex> regex_of(const std::string& text, RegexSubject subject) {
    static std::map<std::pair<std::string, RegexSubject>, std::shared_ptr<const Regex>> known;
    auto& slot = known[{text, subject}];
    RegexFault fault;
    if (slot == nullptr) slot = Regex::make(text, subject, fault);
    EXPECT_NE(slot, nullptr) << text << fault.what;
    return slot;
  }

  static constexpr std::array<std::string_view, 4> methods_{"GET", "PUT", "OPTIONS", "PURGE"};
  static constexpr std::array<std::string_view, 6> hosts_{"x", "b.x", "a.b.x", "c.b.x", "a.a.b.x", "other"};
  std::mt19937 random_;
};

std::string describe(const TestTable& table) {
  std::string text;
  for (const MatchConfig& config : table.configs) text += config::dump(config) + "\n";
  return text;
}

// What explain says must be what match did, and what it says of the others must be true.
void check_explanation(const TestTable& table, TestRequest& asked, int winner) {
  const auto candidates = explain(*table.router, table.rules, asked.request, asked.arena);
  ASSERT_EQ(candidates.size(), table.rules.size());
  bool seen_winner = false;
  for (const Candidate& one : candidates) {
    if (static_cast<int>(one.route) == winner) {
      ASSERT_EQ(one.outcome, Outcome::chosen);
      seen_winner = true;
    } else if (one.outcome == Outcome::less_specific) {
      ASSERT_TRUE(seen_winner) << "a route that matches stands before the chosen one";
    }
  }
  ASSERT_EQ(seen_winner, winner >= 0);
}

TEST(RouterProperty, I12_AgreesWithThePlainRouter) {
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  constexpr int tables = 300;
#else
  constexpr int tables = 10'000;
#endif
  constexpr int requests = 100;
  std::size_t found = 0;
  for (std::uint32_t seed = 1; seed <= tables; ++seed) {
    Generator generator(seed);
    std::deque<MatchConfig> configs;
    const std::uint32_t routes = seed % 50 == 0 ? 60 : 2 + seed % 14;  // many: their regexes share an automaton
    for (std::uint32_t i = 0; i < routes; ++i) configs.push_back(generator.match());
    const TestTable table(std::move(configs));
    std::vector<NamedRule> named;
    for (const MatchConfig& config : table.configs)
      named.push_back({"r" + std::to_string(named.size()), {}, "", &config});
    config::Diagnostics diagnostics;
    find_unreachable_routes(named, diagnostics);
    for (int n = 0; n < requests; ++n) {
      const std::string line = generator.request_line();
      TestRequest asked(line, generator.fields());
      const plain::Found plain = plain::match(table.rules, asked.request);
      Match match;
      const int route = table.router->match(asked.request, asked.arena, match) ? static_cast<int>(match.route) : -1;
      ASSERT_EQ(route, plain.route) << line << " seed " << seed << "\n" << describe(table);
      if (route < 0) continue;
      ++found;
      std::string captures;
      for (const Capture& one : match.captures)
        ((((captures += captures.empty() ? "" : " ") += one.name) += '=') += one.value);
      ASSERT_EQ(captures, plain.captures) << line << "\n" << describe(table);
      for (const auto& diagnostic : diagnostics.all())
        ASSERT_NE(diagnostic.what.rfind("route 'r" + std::to_string(route) + "'", 0), 0u)
            << "reported as never taken, yet taken: " << line << "\n"
            << describe(table) << diagnostics.render();
      if (n == 0) check_explanation(table, asked, route);
    }
  }
  EXPECT_GT(found, std::size_t{tables} * requests / 4);
}

}  // namespace
}  // namespace sluice::route
