#include "route/router.h"

#include <gtest/gtest.h>

#include "route/sample_test.h"

namespace sluice::route {
namespace {

using sample::TestRequest;
using sample::TestTable;

TEST(Router, MatchesTheKindsOfPaths) {
  const TestTable table({"path: /a/b", "path: /p/*", "path: '/users/{id}'", "path: '/files/{rest*}'",
                         "path: '/x/{a}/b/*'", "path: {regex: '/r[0-9]+/(?P<name>[^/]+)'}"});
  EXPECT_EQ(table.route_of("GET http://h/a/b"), 0);
  EXPECT_EQ(table.route_of("GET http://h/a/b/"), -1);
  EXPECT_EQ(table.route_of("GET http://h/a"), -1);
  EXPECT_EQ(table.route_of("GET http://h/p"), 1);
  EXPECT_EQ(table.route_of("GET http://h/p/"), 1);
  EXPECT_EQ(table.route_of("GET http://h/p/q/r"), 1);
  EXPECT_EQ(table.route_of("GET http://h/pq"), -1) << "prefixes end on segment borders";
  EXPECT_EQ(table.captures_of("GET http://h/users/42"), "id=42");
  EXPECT_EQ(table.route_of("GET http://h/users/"), -1) << "a parameter is not empty";
  EXPECT_EQ(table.route_of("GET http://h/users/4/2"), -1);
  EXPECT_EQ(table.captures_of("GET http://h/files/a/b%2Fc"), "rest=a/b%2Fc");
  EXPECT_EQ(table.captures_of("GET http://h/files"), "rest=");
  EXPECT_EQ(table.captures_of("GET http://h/files/"), "rest=");
  EXPECT_EQ(table.captures_of("GET http://h/x/1/b/c/d"), "a=1");
  EXPECT_EQ(table.captures_of("GET http://h/x/1/b"), "a=1");
  EXPECT_EQ(table.route_of("GET http://h/x/1"), -1);
  EXPECT_EQ(table.captures_of("GET http://h/r12/bob"), "name=bob");
  EXPECT_EQ(table.route_of("GET http://h/r12/bob/x"), -1) << "a regex matches the whole path";
}

TEST(Router, TellsWhatLiesBelowAPrefix) {
  const TestTable table({"path: /api/v1/*", "path: /*"});
  const auto rest_of = [&](std::string line) {
    TestRequest asked(std::move(line));
    Match match;
    EXPECT_TRUE(table.router->match(asked.request, asked.arena, match) && match.has_rest);
    return std::string(match.rest);
  };
  EXPECT_EQ(rest_of("GET http://h/api/v1/users/1"), "users/1");
  EXPECT_EQ(rest_of("GET http://h/api/v1/"), "");
  EXPECT_EQ(rest_of("GET http://h/api/v1"), "");
  EXPECT_EQ(rest_of("GET http://h/"), "");
  EXPECT_EQ(rest_of("GET http://h/a/b"), "a/b");
}

TEST(Router, PrefersTheMoreSpecificHost) {
  const TestTable table({"path: /a", "{host: '*.com', path: /a}", "{host: '*.example.com', path: /*}",
                         "{host: api.example.com, path: /*}"});
  EXPECT_EQ(table.route_of("GET http://api.example.com/a"), 3);
  EXPECT_EQ(table.route_of("GET http://x.api.example.com/a"), 2);
  EXPECT_EQ(table.route_of("GET http://x.example.com/a"), 2);
  EXPECT_EQ(table.route_of("GET http://example.com/a"), 1);
  EXPECT_EQ(table.route_of("GET http://example.com/b"), -1);
  EXPECT_EQ(table.route_of("GET http://com/a"), 0);
  EXPECT_EQ(table.route_of("GET http://.example.com/a"), 1) << "the label that `*` stands for is not empty";
  EXPECT_EQ(table.route_of("GET http:///a"), 0) << "no host at all: HTTP/1.0";
}

TEST(Router, PrefersTheMoreSpecificPath) {
  const TestTable table({"{}", "path: /*", "path: /users/*", "path: {regex: '/users/.*'}", "path: '/users/{id}'",
                         "path: '/{a}/me'", "path: /users/me", "path: '/users/{id}/*'"});
  EXPECT_EQ(table.route_of("GET http://h/users/me"), 6);
  EXPECT_EQ(table.route_of("GET http://h/users/1"), 4);
  EXPECT_EQ(table.route_of("GET http://h/other/me"), 5);
  EXPECT_EQ(table.route_of("GET http://h/users/1/x"), 3);
  EXPECT_EQ(table.route_of("GET http://h/users"), 2);
  EXPECT_EQ(table.route_of("GET http://h/else"), 1);
  EXPECT_EQ(table.route_of("OPTIONS http://h"), 0) << "OPTIONS * has no path";
}

TEST(Router, PrefersMoreConditions) {
  const TestTable table({"path: /a", "{path: /a, query: {q: '1'}}", "{path: /a, header: {x: '1'}}",
                         "{path: /a, header: {x: '1', y: '1'}}", "{path: /a, method: GET}", "{path: /a, method: GET}"});
  EXPECT_EQ(table.route_of("GET http://h/a", {{"x", "1"}, {"y", "1"}}), 4) << "method first, then file order";
  EXPECT_EQ(table.route_of("POST http://h/a?q=1", {{"x", "1"}, {"y", "1"}}), 3);
  EXPECT_EQ(table.route_of("POST http://h/a?q=1", {{"x", "1"}}), 2);
  EXPECT_EQ(table.route_of("POST http://h/a?q=1"), 1);
  EXPECT_EQ(table.route_of("POST http://h/a?q=2"), 0);
}

TEST(Router, PassesOverCandidatesWhoseConditionsFail) {
  const TestTable table({"path: /*", "{path: '/a/{x}/c', method: PUT}", "{path: '/a/b/c', method: POST}",
                         "{path: '/{x}/b/c', method: PATCH}", "{path: {regex: '/a/.*'}, method: DELETE}",
                         "{host: h, path: /a/b/*, method: TRACE}", "{path: '/a/b/{x}', method: PURGE}"});
  EXPECT_EQ(table.route_of("POST http://h/a/b/c"), 2);
  EXPECT_EQ(table.route_of("PURGE http://h/a/b/c"), 6);
  EXPECT_EQ(table.route_of("PUT http://h/a/b/c"), 1);
  EXPECT_EQ(table.route_of("PATCH http://h/a/b/c"), 3);
  EXPECT_EQ(table.route_of("DELETE http://h/a/b/c"), 4);
  EXPECT_EQ(table.route_of("TRACE http://h/a/b/c"), 5);
  EXPECT_EQ(table.route_of("GET http://h/a/b/c"), 0);
}

TEST(Router, AsksHeadersAndQuery) {
  const TestTable table(
      {"{path: /a, header: {x-a: {prefix: ab}, x-b: {present: false}}}", "{path: /b, header: {X-A: {regex: '[a-c]+'}}}",
       "{path: /c, query: {'a b': 'ü&', n: {present: true}}}", "{path: /d, query: {n: {present: false}}}"});
  EXPECT_EQ(table.route_of("GET http://h/a", {{"x-a", "xx"}, {"x-a", "abc"}}), 0) << "any value of a repeated header";
  EXPECT_EQ(table.route_of("GET http://h/a", {{"x-a", "abc"}, {"x-b", ""}}), -1);
  EXPECT_EQ(table.route_of("GET http://h/a", {{"x-a", "a"}}), -1);
  EXPECT_EQ(table.route_of("GET http://h/b", {{"x-a", "cab"}}), 1);
  EXPECT_EQ(table.route_of("GET http://h/b", {{"x-a", "cabd"}}), -1);
  EXPECT_EQ(table.route_of("GET http://h/c?x&n&a+b=%c3%BC%26"), 2);
  EXPECT_EQ(table.route_of("GET http://h/c?n&a%20b=x&a%20b=%C3%BC%26"), 2) << "any value of a repeated parameter";
  EXPECT_EQ(table.route_of("GET http://h/c?n;a%20b=%C3%BC%26"), -1) << "P12: `;` separates nothing";
  EXPECT_EQ(table.route_of("GET http://h/c?a%2520b=%C3%BC%26&n"), -1) << "decoded once";
  EXPECT_EQ(table.route_of("GET http://h/d?m"), 3);
  EXPECT_EQ(table.route_of("GET http://h/d?n"), -1);
}

TEST(Router, P09ManyHostsAnswerAsOneDoes) {
  std::string hosts;
  for (int i = 0; i < 300; ++i) hosts += (i ? ", " : "") + std::string("Host") + std::to_string(i) + ".Example.COM";
  const TestTable table({"{host: [" + hosts + ", '*.xn--bcher-kva.example'], path: '/a/{id}'}", "{}"});
  for (int i = 0; i < 300; ++i)
    EXPECT_EQ(table.route_of("GET http://host" + std::to_string(i) + ".example.com/a/1"), 0);
  EXPECT_EQ(table.route_of("GET http://host300.example.com/a/1"), 1);
  EXPECT_EQ(table.route_of("GET http://shop.xn--bcher-kva.example/a/1"), 0);
}

TEST(Router, P11LiteralsAreLiterals) {
  const TestTable table({"host: cert-manager.io", "path: /a.b", "path: '/a+/{x}'", "header: {x: a.c}"});
  EXPECT_EQ(table.route_of("GET http://cert-managerXio/"), -1);
  EXPECT_EQ(table.route_of("GET http://h/aXb"), -1);
  EXPECT_EQ(table.route_of("GET http://h/a.b"), 1);
  EXPECT_EQ(table.route_of("GET http://h/aa/1"), -1);
  EXPECT_EQ(table.route_of("GET http://h/a+/1"), 2);
  EXPECT_EQ(table.route_of("GET http://h/", {{"x", "abc"}}), -1);
}

TEST(Router, AWildcardHostOfManyLabelsIsBounded) {
  std::string host = "a";
  for (int i = 0; i < 4000; ++i) host += ".a";
  const TestTable table({"host: '*.example.com'", "host: '*.a.a.a'"});
  EXPECT_EQ(table.route_of("GET http://" + host + "/"), 1);
  EXPECT_EQ(table.route_of("GET http://" + host + ".b/"), -1);
}

// Two children at each of 12 depths: the walk may visit 2^12 nodes but each only once, and finds the one that is left.
TEST(Router, BranchingTemplatesStayBounded) {
  constexpr unsigned depth = 12;
  std::deque<MatchConfig> configs;
  for (unsigned bits = 0; bits < 1u << depth; ++bits) {
    std::string path;
    for (unsigned i = 0; i < depth; ++i) path += bits >> i & 1 ? "/{p" + std::to_string(i) + "}" : "/a";
    configs.push_back(
        sample::match_of("{path: '" + path + "', method: " + (bits + 1 == 1u << depth ? "GET" : "PUT") + "}"));
  }
  const TestTable table(std::move(configs));
  std::string path;
  for (unsigned i = 0; i < depth; ++i) path += "/a";
  EXPECT_EQ(table.route_of("GET http://h" + path), (1 << depth) - 1);
  EXPECT_EQ(table.route_of("PUT http://h" + path), 0);
  EXPECT_EQ(table.route_of("POST http://h" + path), -1);
  EXPECT_EQ(table.route_of("GET http://h" + path + "/a"), -1);
}

TEST(Router, TakesPathsLongerThanAnyPattern) {
  std::string longest;
  for (int i = 0; i < 128; ++i) longest += "/{p" + std::to_string(i) + "}";
  const TestTable table({"path: '" + longest + "'", "path: /*"});
  std::string path;
  for (int i = 0; i < 128; ++i) path += "/a";
  EXPECT_EQ(table.route_of("GET http://h" + path), 0);
  EXPECT_EQ(table.route_of("GET http://h" + path + "/a"), 1);
  for (int i = 0; i < 4000; ++i) path += "/a";
  EXPECT_EQ(table.route_of("GET http://h" + path), 1);
}

TEST(Router, TenThousandRegexes) {
  std::deque<MatchConfig> configs;
  for (int i = 0; i < 10'000; ++i)
    configs.push_back(sample::match_of("path: {regex: '/r" + std::to_string(i) + "/(?P<x>[^/]+)'}"));
  const TestTable table(std::move(configs));
  EXPECT_EQ(table.route_of("GET http://h/r0/a"), 0);
  EXPECT_EQ(table.route_of("GET http://h/r9999/a"), 9999);
  EXPECT_EQ(table.captures_of("GET http://h/r77/abc"), "x=abc");
  EXPECT_EQ(table.route_of("GET http://h/r10000/a"), -1);
}

// The worst that regexes can be: no common beginning to tell them apart by. One automaton must hold them all.
TEST(Router, ManyRegexesWithoutALiteralBeginning) {
  std::deque<MatchConfig> configs;
  for (int i = 0; i < 2'000; ++i)
    configs.push_back(sample::match_of("path: {regex: '/[a-z]+/x" + std::to_string(i) + "(/.*)?'}"));
  const TestTable table(std::move(configs));
  const auto before = RegexSet::exhausted_count();
  EXPECT_EQ(table.route_of("GET http://h/abc/x0"), 0);
  EXPECT_EQ(table.route_of("GET http://h/q/x1999/and/more"), 1999);
  EXPECT_EQ(table.route_of("GET http://h/9/x1"), -1);
  EXPECT_EQ(RegexSet::exhausted_count(), before);
}

TEST(Router, RegexesOfOneSetComeInOrderOfPrecedence) {
  const TestTable table({"path: {regex: '/.*'}", "{path: {regex: '/a.*'}, header: {x: '1'}}",
                         "{path: {regex: '/.*b'}, method: GET}", "path: {regex: '/a.*'}", "path: {regex: '/c/.*'}",
                         "{path: {regex: '/c/d'}, query: {q: '1'}}"});
  EXPECT_EQ(table.route_of("GET http://h/ab"), 2);
  EXPECT_EQ(table.route_of("PUT http://h/ab", {{"x", "1"}}), 1);
  EXPECT_EQ(table.route_of("PUT http://h/ab"), 0);
  EXPECT_EQ(table.route_of("GET http://h/c/d?q=1"), 5) << "also across the nodes that regexes hang at";
  EXPECT_EQ(table.route_of("GET http://h/c/d"), 0);
}

TEST(Router, AnEmptyTableMatchesNothing) {
  const TestTable table(std::initializer_list<std::string>{});
  EXPECT_EQ(table.route_of("GET http://h/"), -1);
}

}  // namespace
}  // namespace sluice::route
