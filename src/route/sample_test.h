#pragma once
// Requests and conditions written as text, for the tests of this room.

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/value.h"
#include "http/message.h"
#include "route/config.h"
#include "route/router.h"

namespace sluice::route::sample {

// "GET http://host/path?query" and fields. The path must be canonical.
class TestRequest {
 public:
  explicit TestRequest(std::string line, std::vector<std::pair<std::string, std::string>> fields = {})
      : line_(std::move(line)), fields_(std::move(fields)) {
    std::string_view rest = line_;
    request.method_name = rest.substr(0, rest.find(' '));
    request.method = http::method_of(request.method_name);
    rest.remove_prefix(rest.find("://") + 3);
    const std::size_t slash = rest.find('/');
    request.host = request.authority = rest.substr(0, slash);
    rest = slash == std::string_view::npos ? "*" : rest.substr(slash);
    const std::size_t mark = rest.find('?');
    request.path = rest.substr(0, mark);
    request.has_query = mark != std::string_view::npos;
    if (request.has_query) request.query = rest.substr(mark + 1);
    for (std::string_view path = request.path; path.starts_with('/');) {
      path.remove_prefix(1);
      const std::size_t end = std::min(path.find('/'), path.size());
      segments_.push_back(path.substr(0, end));
      path.remove_prefix(end);
    }
    request.segments = segments_;
    for (const auto& [name, value] : fields_) request.fields.add(arena, name, value);
  }
  TestRequest(const TestRequest&) = delete;

  Arena arena;
  http::Request request;

 private:
  std::string line_;
  std::vector<std::pair<std::string, std::string>> fields_;
  std::vector<std::string_view> segments_;
};

// Reads a `match:` written in YAML; what is wrong with it goes to `diagnostics`.
inline MatchConfig read_match(std::string yaml, config::Diagnostics& diagnostics) {
  MatchConfig match;
  if (const auto document = config::parse(std::move(yaml), "match.yaml", diagnostics))
    (void)config::read(*document, match, diagnostics);
  return match;
}

inline MatchConfig match_of(std::string yaml) {
  config::Diagnostics diagnostics;
  MatchConfig match = read_match(std::move(yaml), diagnostics);
  EXPECT_EQ(diagnostics.render(), "");
  return match;
}

// Routes in file order, compiled.
class TestTable {
 public:
  explicit TestTable(std::initializer_list<std::string> matches) {
    for (const std::string& yaml : matches) configs.push_back(match_of(yaml));
    compile();
  }
  explicit TestTable(std::deque<MatchConfig> made) : configs(std::move(made)) { compile(); }

  // The route's number, or -1.
  int route_of(const TestRequest& asked, Arena& arena) const {
    Match match;
    return router->match(asked.request, arena, match) ? static_cast<int>(match.route) : -1;
  }
  int route_of(std::string line, std::vector<std::pair<std::string, std::string>> fields = {}) const {
    TestRequest asked(std::move(line), std::move(fields));
    return route_of(asked, asked.arena);
  }
  // "id=42 rest=a/b"
  std::string captures_of(std::string line) const {
    TestRequest asked(std::move(line));
    Match match;
    if (!router->match(asked.request, asked.arena, match)) return "no match";
    std::string text;
    for (const Capture& one : match.captures) ((((text += text.empty() ? "" : " ") += one.name) += '=') += one.value);
    return text;
  }

  std::deque<MatchConfig> configs;
  std::vector<Rule> rules;
  std::unique_ptr<const Router> router;

 private:
  void compile() {
    for (std::uint32_t i = 0; i < configs.size(); ++i) rules.push_back({i, &configs[i]});
    router = Router::compile(rules);
  }
};

}  // namespace sluice::route::sample
