#pragma once
// What a route asks of a request, as written under `match:`. Every pattern is checked and made canonical when it is
// read, in the form that requests have; the router compares bytes. Not the matcher: that is router.h; which of several
// matching routes wins stands in precedence.h.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "config/value.h"
#include "route/regex.h"

namespace sluice::route {

inline constexpr std::size_t max_path_segments = 128;    // of one pattern
inline constexpr std::size_t max_alternatives = 65'536;  // hosts x paths of one route
inline constexpr std::size_t max_method_bytes = 32;

// `api.example.com`, or `*.example.com`: one or more labels below. Ports are not compared.
struct HostPattern {
  std::string name;  // lower case, without `*.` and without a final dot; IPv6 in brackets
  bool is_wildcard = false;
  config::Place place;

  static constexpr const char* type_text = "host, or `*.` and a domain";
  static bool read(const config::Node& node, HostPattern& out, config::ReadContext& context);
  static void schema(config::SchemaWriter& schema);
  static void dump(const HostPattern& value, config::JsonWriter& json);
};

struct PathSegment {
  std::string text;  // literal: canonical text; parameter: its name
  bool is_parameter = false;
  bool operator==(const PathSegment&) const = default;
};

// exact      /a/b            that path only
// template_  /users/{id}     `{id}` stands for one segment that is not empty
// prefix     /a/*            /a and all below it, on segment borders; `/*` is every path
//            /a/{rest*}      the same, and what stands below /a is captured ("" for /a and /a/)
// regex      {regex: "..."}  the whole path matches; named groups are captured
struct PathPattern {
  enum class Kind : std::uint8_t { exact, template_, regex, prefix };  // most specific first
  Kind kind = Kind::exact;
  std::string text;                    // canonical, as shown to people
  std::vector<PathSegment> segments;   // template_, prefix: the fixed ones, without the final `*`
  std::string rest_name;               // prefix: "" for a plain `*`
  std::shared_ptr<const Regex> regex;  // regex only
  config::Place place;

  static constexpr const char* type_text = "path, or `{regex: ..}`";
  static bool read(const config::Node& node, PathPattern& out, config::ReadContext& context);
  static void schema(config::SchemaWriter& schema);
  static void dump(const PathPattern& value, config::JsonWriter& json);
};

struct MethodName {
  std::string name;  // a token, without lower-case letters: methods are case-sensitive

  static constexpr const char* type_text = "method";
  static bool read(const config::Node& node, MethodName& out, config::ReadContext& context);
  static void schema(config::SchemaWriter& schema);
  static void dump(const MethodName& value, config::JsonWriter& json) { json.text(value.name); }
};

// A condition on one text: plain text or `{exact: ..}`, `{prefix: ..}`, `{regex: ..}` over the whole text,
// `{present: true}` for any, `{present: false}` for none at all.
struct StringMatch {
  enum class Kind : std::uint8_t { exact, prefix, regex, present, absent };
  Kind kind = Kind::exact;
  std::string text;  // exact, prefix, regex
  std::shared_ptr<const Regex> regex;

  // Whether one value satisfies it; not for `absent`, which is about having no value.
  bool holds(std::string_view value) const;
  // "exactly '1'", "to start with 'a'": for messages.
  std::string describe() const;

  static constexpr const char* type_text =
      "text, or one of `{exact: ..}`, `{prefix: ..}`, `{regex: ..}`, `{present: true}`";
  static bool read(const config::Node& node, StringMatch& out, config::ReadContext& context);
  static void schema(config::SchemaWriter& schema);
  static void dump(const StringMatch& value, config::JsonWriter& json);
};

struct NamedMatch {
  std::string name;
  StringMatch match;
  config::Place place;  // of the name
};

// Names in lower case. A repeated field satisfies a condition when any of its values does.
struct HeaderMatches {
  std::vector<NamedMatch> list;

  static constexpr const char* type_text = "map of header name to text match";
  static bool read(const config::Node& node, HeaderMatches& out, config::ReadContext& context);
  static void schema(config::SchemaWriter& schema);
  static void dump(const HeaderMatches& value, config::JsonWriter& json);
};

// Names and values as they are after percent-decoding once, `+` read as a space. A query is split at `&` only.
// A repeated parameter satisfies a condition when any of its values does.
struct QueryMatches {
  std::vector<NamedMatch> list;

  static constexpr const char* type_text = "map of query parameter to text match";
  static bool read(const config::Node& node, QueryMatches& out, config::ReadContext& context);
  static void schema(config::SchemaWriter& schema);
  static void dump(const QueryMatches& value, config::JsonWriter& json);
};

struct MatchConfig {
  std::vector<config::Located<std::string>> listener;
  std::vector<HostPattern> host;
  std::vector<PathPattern> path;
  std::vector<MethodName> method;
  HeaderMatches header;
  QueryMatches query;
  config::Place place;

  static constexpr const char* doc =
      "What a request must be to take this route. A condition that is not given holds always.";
  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("listener", &MatchConfig::listener, "Names of listeners; without it, all.")
            .one_or_many()
            .non_empty()
            .example("public"),
        field("host", &MatchConfig::host,
              "Host names: `api.example.com`, or `*.example.com` for one or more labels below. Ports are not compared.")
            .one_or_many()
            .non_empty()
            .example("api.example.com"),
        field(
            "path", &MatchConfig::path,
            "Paths: exact `/a/b`; prefix `/a/*` (matches `/a` and all below); template `/users/{id}` (one segment) or "
            "`/files/{rest*}`; or `{regex: ..}` over the whole path.")
            .one_or_many()
            .non_empty()
            .example("/users/{id}"),
        field("method", &MatchConfig::method, "Methods, in upper case.")
            .one_or_many()
            .non_empty()
            .example("[GET, HEAD]"),
        field("header", &MatchConfig::header,
              "Headers that must match, by name: text, or `{prefix: ..}`, `{regex: ..}`, `{present: true}`, `{present: "
              "false}`. "
              "A repeated header matches when any of its values does."),
        field("query", &MatchConfig::query, "Query parameters that must match; written as for `header`."),
    };
  }
  static config::Fault check(const MatchConfig& match);
};

}  // namespace sluice::route
