#include "route/explain.h"

#include <gtest/gtest.h>

#include "route/sample_test.h"

namespace sluice::route {
namespace {

using sample::TestRequest;
using sample::TestTable;

std::string explanation(const TestTable& table, std::string line,
                        std::vector<std::pair<std::string, std::string>> fields = {}) {
  TestRequest asked(std::move(line), std::move(fields));
  std::string text;
  for (const Candidate& one : explain(*table.router, table.rules, asked.request, asked.arena))
    text += std::to_string(one.route) + ": " + one.text + "\n";
  return text;
}

TEST(Explain, GivesTheFirstReasonOfEachRouteInOrderOfPrecedence) {
  const TestTable table({"path: /*", "{path: /users/*, query: {v: '2'}}",
                         "{path: '/users/{id}', header: {x-beta: '1'}}", "{path: '/users/{id}', method: [PUT, POST]}",
                         "{host: '*.example.org', path: /*}", "path: /health",
                         "{path: '/users/{id}', header: {x-beta: {present: true}, x-c: {present: false}}}"});
  EXPECT_EQ(explanation(table, "GET http://api.example.com/users/1?v=1", {{"x-beta", "2"}, {"x-c", "\x1b[1m"}}),
            "4: host 'api.example.com' does not match *.example.org\n"
            "5: path '/users/1' does not match /health\n"
            "3: method 'GET' is not listed\n"
            "6: header x-c: want none, got '\\u{1b}[1m'\n"
            "2: header x-beta: want exactly '1', got '2'\n"
            "1: query v: want exactly '2', got '1'\n"
            "0: chosen\n");
}

TEST(Explain, SaysWhatElseMatches) {
  const TestTable table({"path: /*", "path: [/b, /a/b, /a/*]", "{path: /a/b, header: {x: {regex: 'a+'}}}"});
  EXPECT_EQ(explanation(table, "GET http://h/a/b"),
            "2: header x: want text that matches /a+/, it is absent\n"
            "1: chosen\n"
            "0: matches too, but is less specific\n");
  EXPECT_EQ(explanation(TestTable({"path: /a"}), "GET http://h/b"), "0: path '/b' does not match /a\n");
}

}  // namespace
}  // namespace sluice::route
