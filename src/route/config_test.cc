#include "route/config.h"

#include <gtest/gtest.h>

#include "route/sample_test.h"

namespace sluice::route {
namespace {

using sample::match_of;
using sample::read_match;

std::string dump_of(std::string yaml) { return config::dump(match_of(std::move(yaml))); }
std::string path_of(std::string path) { return match_of("path: '" + path + "'").path.at(0).text; }

// All that is said about a bad one, without the file's lines: "code: what (help)".
std::string complaint_of(std::string yaml) {
  config::Diagnostics diagnostics;
  (void)read_match(std::move(yaml), diagnostics);
  std::string text;
  for (const auto& one : diagnostics.all())
    text += one.code + ": " + one.what + (one.help.empty() ? "" : " (" + one.help + ")");
  return text;
}

TEST(MatchConfig, ReadsOneOrMany) {
  const MatchConfig match = match_of(
      "{listener: public, host: [API.Example.com, '*.example.org.'], path: [/a/b, '/u/{id}', /p/*, {regex: '/x/.*'}], "
      "method: [GET, PURGE], header: {X-Beta: 1, x-b: {prefix: a}, x-c: {present: false}}, query: {Q: {regex: 'a+'}}}");
  EXPECT_EQ(match.listener.at(0).value, "public");
  EXPECT_EQ(match.host.at(0).name, "api.example.com");
  EXPECT_EQ(match.host.at(1).name, "example.org");
  EXPECT_TRUE(match.host.at(1).is_wildcard);
  EXPECT_EQ(match.path.at(0).kind, PathPattern::Kind::exact);
  EXPECT_EQ(match.path.at(1).kind, PathPattern::Kind::template_);
  EXPECT_EQ(match.path.at(2).kind, PathPattern::Kind::prefix);
  EXPECT_EQ(match.path.at(3).kind, PathPattern::Kind::regex);
  EXPECT_EQ(match.method.at(1).name, "PURGE");
  EXPECT_EQ(match.header.list.at(0).name, "x-beta");
  EXPECT_EQ(match.header.list.at(0).match.text, "1");
  EXPECT_EQ(match.header.list.at(2).match.kind, StringMatch::Kind::absent);
  EXPECT_EQ(match.query.list.at(0).name, "Q") << "query names keep their case";
  EXPECT_EQ(match.path.at(0).place.line, 1u);
}

TEST(MatchConfig, WritesWhatItRead) {
  EXPECT_EQ(dump_of("{host: '*.A.com', path: ['/a/{id}/*', {regex: '/x'}], header: {A: {prefix: b}}}"),
            R"({"listener": [], "host": ["*.a.com"], "path": ["/a/{id}/*", {"regex": "/x"}], "method": [], )"
            R"("header": {"a": {"prefix": "b"}}, "query": {}})");
}

TEST(PathPattern, BecomesCanonical) {
  EXPECT_EQ(path_of("/%7euser/%41"), "/~user/A");
  EXPECT_EQ(path_of("/a%2fb"), "/a%2Fb");
  EXPECT_EQ(path_of("/caf\xc3\xa9/{id}"), "/caf%C3%A9/{id}");
  EXPECT_EQ(path_of("/a/"), "/a/");
  EXPECT_EQ(path_of("/"), "/");
  EXPECT_EQ(path_of("/*"), "/*");
  EXPECT_EQ(path_of("/{rest*}"), "/{rest*}");
}

TEST(PathPattern, RefusesWhatNoRequestHas) {
  const std::string resolved =
      "bad_path: no request has this path: empty, `.` and `..` segments are resolved before routes are asked";
  EXPECT_EQ(complaint_of("path: /a//b"), resolved + " (write /a/b)");
  EXPECT_EQ(complaint_of("path: /a/../b"), resolved + " (write /b)");
  EXPECT_EQ(complaint_of("path: /a/%2e/b"), resolved + " (write /a/b)");
  EXPECT_EQ(complaint_of("path: /a/."), resolved + " (write /a/)");
  EXPECT_EQ(complaint_of("path: '/{x}//b'"), resolved + " (leave them out)");
  EXPECT_EQ(complaint_of("path: /a/..//*"), resolved + " (leave them out)");
  EXPECT_EQ(complaint_of("path: a/b"), "bad_path: a path starts with `/` (write /a/b)");
  EXPECT_EQ(complaint_of("path: /a?x=1"), "bad_path: the query is no part of the path (write a `query` condition)");
  EXPECT_TRUE(complaint_of("path: /a%zz").starts_with("bad_path: no request has this path: "));
  EXPECT_TRUE(complaint_of("path: '/a b'").starts_with("bad_path: no request has this path: "));
}

TEST(PathPattern, RefusesBadTemplates) {
  EXPECT_EQ(complaint_of("path: /a/*/b"),
            "bad_path: `*` stands for the rest of the path and must be the last segment (for one segment write "
            "`{name}`; for more use {regex: ..})");
  EXPECT_EQ(
      complaint_of("path: /a*"),
      "bad_path: `*` must be a segment of its own: `a*` (write `/*` at the end for all below, or use {regex: ..})");
  EXPECT_EQ(complaint_of("path: '/v{x}/b'"),
            "bad_path: a parameter is a whole segment: `v{x}` (use {regex: ..} for a part of a segment)");
  EXPECT_EQ(complaint_of("path: '/{x'"),
            "bad_path: a parameter is a whole segment: `{x` (use {regex: ..} for a part of a segment)");
  EXPECT_EQ(complaint_of("path: '/{}'"),
            "bad_path: `` is no name for a parameter (use letters, digits and `_`, not a digit first)");
  EXPECT_EQ(complaint_of("path: '/{a-b}'"),
            "bad_path: `a-b` is no name for a parameter (use letters, digits and `_`, not a digit first)");
  EXPECT_EQ(complaint_of("path: '/{id}/{id}'"), "bad_path: the parameter `id` is there twice (give each its own name)");
  EXPECT_EQ(complaint_of("path: '/{id}/{id*}'"),
            "bad_path: the parameter `id` is there twice (give each its own name)");
  EXPECT_EQ(complaint_of("path: '/{r*}/b'"),
            "bad_path: `{r*}` stands for the rest of the path and must be the last segment");
  std::string many;
  for (int i = 0; i < 129; ++i) many += "/a";
  EXPECT_EQ(complaint_of("path: " + many), "bad_path: more than 128 segments");
}

TEST(PathPattern, RefusesBadRegexes) {
  std::string large = "/";
  for (int i = 0; i < 1'000; ++i) large += "[a-z]{1000}";
  EXPECT_EQ(complaint_of("path: {regex: '/a['}"), "bad_regex: missing ]: [");
  EXPECT_EQ(complaint_of("path: {regex: 'users/.*'}"),
            "bad_path: this regex never matches: a path starts with `/` (write /users/.*)");
  EXPECT_EQ(complaint_of("path: {regex: '/a//b/.*'}"),
            "bad_path: this regex never matches: paths are canonical before routes are asked (begin it with /a/b)");
  EXPECT_EQ(complaint_of("path: {regex: '/\xc3\xa9'}"),
            "bad_path: paths are ASCII when regexes are asked (write other characters percent-encoded, as in %C3%A9 "
            "for \xc3\xa9)");
  EXPECT_EQ(complaint_of("path: {regex: '" + large + "'}"), "regex_too_large: pattern too large - compile failed");
  EXPECT_EQ(complaint_of("path: {regexp: '/a'}"), "unknown_key: unknown key 'regexp'");
}

TEST(PathPattern, PointsIntoTheRegex) {
  config::Diagnostics diagnostics;
  (void)read_match("path: {regex: '/a/[b'}\n", diagnostics);
  EXPECT_EQ(diagnostics.render(),
            "match.yaml:1:19: error[bad_regex]: path.regex: missing ]: [b\n"
            "    1 | path: {regex: '/a/[b'}\n"
            "      |                   ^~ want an RE2 regular expression\n");
}

TEST(HostPattern, RefusesWhatIsNoHost) {
  EXPECT_EQ(complaint_of("host: 'api.example.com:8080'"),
            "bad_host: a host condition has no port: ports are not compared (write the host alone; to tell ports apart "
            "use `listener`)");
  EXPECT_EQ(complaint_of("host: '*'"),
            "bad_host: `*` may only be the whole first label (write `*.example.com`, or leave `host` out to match "
            "every host)");
  EXPECT_EQ(complaint_of("host: 'a.*.com'").substr(0, 40), "bad_host: `*` may only be the whole firs");
  EXPECT_EQ(complaint_of("host: 'http://a'"), "bad_host: a host has no scheme and no path (write the name alone, such as `api.example.com`)");
  EXPECT_TRUE(complaint_of("host: a..b").starts_with("bad_host: no request has this host: "));
  EXPECT_EQ(complaint_of("host: b\xc3\xbc"
                         "cher.de"),
            "bad_host: a host name is ASCII in a request (write the punycode form: xn--...)");
  EXPECT_EQ(complaint_of("host: '*.0.0.1'"),
            "bad_host: a wildcard cannot stand before an IP address (list the addresses)");
  EXPECT_TRUE(complaint_of("host: 'a b'").starts_with("bad_host: no request has this host: "));
  EXPECT_EQ(complaint_of("host: '[::1]:80'"),
            "bad_host: a host condition has no port: ports are not compared (write the host alone; to tell ports apart "
            "use `listener`)");
  EXPECT_EQ(complaint_of("host: '::1'"), "bad_host: an IPv6 address stands in brackets (write `[::1]`)");
  EXPECT_TRUE(complaint_of("host: '[1]'").starts_with("bad_host: no request has this host: "));
  EXPECT_EQ(match_of("host: '[2001:DB8:0::1]'").host.at(0).name, "[2001:db8::1]");
}

TEST(MatchConfig, RefusesBadMethodsAndConditions) {
  EXPECT_EQ(complaint_of("method: get"), "bad_method: methods are case-sensitive and in upper case (write GET)");
  EXPECT_EQ(complaint_of("method: 'G T'"), "bad_method: this is no method (several are written as a list: [GET, POST])");
  EXPECT_EQ(complaint_of("header: {'x y': 1}"), "bad_header_name: this is no header name");
  EXPECT_EQ(complaint_of("header: {Host: a}"),
            "bad_header_name: the host is not matched as a header (write a `host` condition)");
  EXPECT_EQ(complaint_of("header: {content-length: 1}"),
            "bad_header_name: routes do not see this header (framing and hop-by-hop headers belong to the connection)");
  EXPECT_EQ(complaint_of("header: {X: 1, x: 2}"), "duplicate_key: 'x' is given twice");
  EXPECT_EQ(complaint_of("header: {x: {exact: a, prefix: b}}"), "bad_match: want one condition, found 2");
  EXPECT_EQ(complaint_of("header: {x: {prefx: b}}"), "unknown_key: unknown key 'prefx'");
  EXPECT_EQ(complaint_of("query: {'': b}"), "bad_query_name: a query parameter has a name");
  EXPECT_EQ(complaint_of("query: {q: {regex: '('}}"), "bad_regex: missing ): (");
  EXPECT_EQ(complaint_of("query: {q: [a]}").substr(0, 11), "wrong_type:");
  EXPECT_FALSE(complaint_of("host: []").empty()) << "an empty list would match every host";
}

TEST(MatchConfig, HasASchema) {
  const std::string schema = config::schema<MatchConfig>("match");
  for (const char* key : {"\"listener\"", "\"host\"", "\"path\"", "\"method\"", "\"header\"", "\"query\"", "\"regex\""})
    EXPECT_NE(schema.find(key), std::string::npos) << key;
}

}  // namespace
}  // namespace sluice::route
