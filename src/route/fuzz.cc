// libFuzzer: for any table of routes and any request the compiled router finds what a plain one finds, explain() says
// the same, and no route that was reported as unreachable is ever taken (security invariant I12).
//
// The input is text: one `match:` in YAML a line, an empty line, then requests, one a line:
//   METHOD TARGET HOST [name:value]...

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/fuzz_input.h"
#include "http/h1/parser.h"
#include "route/analysis.h"
#include "route/explain.h"
#include "route/plain_router_test.h"

namespace {

using namespace sluice;         // NOLINT: a program of its own
using namespace sluice::route;  // NOLINT
using fuzz::require;

constexpr std::size_t most_routes = 12;
constexpr std::size_t most_requests = 12;

struct Table {
  std::deque<MatchConfig> configs;
  std::vector<Rule> rules;
  std::unique_ptr<const Router> router;
  std::vector<bool> is_unreachable;

  void add(std::string_view yaml) {
    config::Diagnostics diagnostics;
    const auto document = config::parse(std::string(yaml), "match.yaml", diagnostics);
    MatchConfig match;
    if (document && config::read(*document, match, diagnostics) && !diagnostics.has_errors())
      configs.push_back(std::move(match));
  }
  void compile() {
    std::vector<NamedRule> named;
    for (std::uint32_t i = 0; i < configs.size(); ++i) {
      rules.push_back({i, &configs[i]});
      named.push_back({"r" + std::to_string(i), {}, "", &configs[i]});
    }
    router = Router::compile(rules);
    config::Diagnostics diagnostics;
    find_unreachable_routes(named, diagnostics);
    is_unreachable.resize(configs.size());
    for (std::size_t i = 0; i < configs.size(); ++i)
      for (const auto& one : diagnostics.all())
        if (one.what.starts_with("route 'r" + std::to_string(i) + "'")) is_unreachable[i] = true;
  }
};

// "GET /a host x:1" -> the bytes of a request head.
std::string head_of(std::string_view line) {
  std::vector<std::string> words{""};
  for (const char c : line) {
    if (c == ' ') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  words.resize(std::max<std::size_t>(words.size(), 3));
  std::string head = words[0] + " " + words[1] + " HTTP/1.1\r\nhost: " + words[2] + "\r\n";
  for (std::size_t i = 3; i < words.size(); ++i) head += words[i] + "\r\n";
  return head + "\r\n";
}

void check(const Table& table, std::string_view line) {
  Arena arena;
  const http::HeadLimits limits;
  http::h1::RequestParser parser(limits);
  parser.start(arena);
  const auto progress = parser.feed(head_of(line));
  if (!progress || !progress->complete) return;
  const http::Request& request = parser.request();

  Match match;
  const int route = table.router->match(request, arena, match) ? static_cast<int>(match.route) : -1;
  const plain::Found plain = plain::match(table.rules, request);
  require(route == plain.route, "both routers find the same route");
  if (route >= 0) {
    require(!table.is_unreachable[static_cast<std::size_t>(route)], "a route that nothing reaches is not reached");
    std::string captures;
    for (const Capture& one : match.captures)
      ((((captures += captures.empty() ? "" : " ") += one.name) += '=') += one.value);
    require(captures == plain.captures, "both routers find the same captures");
  }
  int explained = -1;
  for (const Candidate& one : explain(*table.router, table.rules, request, arena))
    if (one.outcome == Outcome::chosen) explained = static_cast<int>(one.route);
  require(explained == route, "explain() names the route that was taken");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  Table table;
  while (!input.rest().empty()) {
    const std::string_view line = input.take_line();
    if (line.empty()) break;
    if (table.configs.size() < most_routes) table.add(line);
  }
  table.compile();
  for (std::size_t i = 0; i < most_requests && !input.rest().empty(); ++i) check(table, input.take_line());
  return 0;
}
