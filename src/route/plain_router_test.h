#pragma once
// The router again, plainly: a linear implementation of precedence.h that shares no code with router.cc. For tests and
// the fuzz target to compare with; not used outside them.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "route/router.h"

namespace sluice::route::plain {

inline std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts{""};
  for (const char c : text)
    if (c == at) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  return parts;
}

inline std::vector<std::string> segments_of(const std::string& path) { return split(path.substr(1), '/'); }

// `+` is a space; escapes are decoded once; what is no escape stays.
inline std::string decoded(const std::string& text) {
  const std::string digits = "0123456789abcdef0123456789ABCDEF";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t high = i + 2 < text.size() ? digits.find(text[i + 1]) : std::string::npos;
    const std::size_t low = i + 2 < text.size() ? digits.find(text[i + 2]) : std::string::npos;
    if (text[i] == '%' && high != std::string::npos && low != std::string::npos) {
      out += static_cast<char>(high % 16 * 16 + low % 16);
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

inline bool holds(const StringMatch& match, const std::vector<std::string>& values) {
  using Kind = StringMatch::Kind;
  if (match.kind == Kind::absent) return values.empty();
  for (const std::string& value : values) {
    if (match.kind == Kind::present) return true;
    if (match.kind == Kind::exact && value == match.text) return true;
    if (match.kind == Kind::prefix && value.rfind(match.text, 0) == 0) return true;
    if (match.kind == Kind::regex && match.regex->matches(value)) return true;
  }
  return false;
}

inline bool conditions_hold(const MatchConfig& match, const http::Request& request) {
  bool is_method = match.method.empty();
  for (const MethodName& method : match.method) is_method |= method.name == request.method_name;
  bool all = is_method;
  for (const NamedMatch& one : match.header.list) {
    std::vector<std::string> values;
    for (const http::Field& field : request.fields)
      if (field.name == one.name) values.emplace_back(field.value);
    all &= holds(one.match, values);
  }
  for (const NamedMatch& one : match.query.list) {
    std::vector<std::string> values;
    for (const std::string& part :
         request.has_query ? split(std::string(request.query), '&') : std::vector<std::string>())
      if (decoded(part.substr(0, part.find('='))) == one.name)
        values.push_back(part.find('=') == std::string::npos ? "" : decoded(part.substr(part.find('=') + 1)));
    all &= holds(one.match, values);
  }
  return all;
}

struct Found {
  int route = -1;
  std::string captures;
};

// (host, path, shape, method, headers, queries, route, path index): smaller is better.
using Key = std::tuple<int, int, int, std::string, int, int, int, std::uint32_t, std::size_t>;

inline bool host_holds(const HostPattern& pattern, const std::string& host, int& key) {
  key = pattern.is_wildcard ? 1000 - static_cast<int>(split(pattern.name, '.').size()) : 0;
  if (!pattern.is_wildcard) return host == pattern.name;
  const std::string end = "." + pattern.name;
  return host.size() > end.size() && host.substr(host.size() - end.size()) == end;
}

inline bool path_holds(const PathPattern& pattern, const std::string& path, int& kind, int& literals,
                       std::string& shape, std::string& captures) {
  if (path == "*") return false;
  kind = static_cast<int>(pattern.kind);
  if (pattern.kind == PathPattern::Kind::exact) return path == pattern.text;
  if (pattern.kind == PathPattern::Kind::regex) {
    const auto names = pattern.regex->group_names();
    std::vector<std::string_view> texts(names.size());
    if (!pattern.regex->capture(path, texts)) return false;
    for (std::size_t i = 0; i < names.size(); ++i)
      captures += (i > 0 ? " " : "") + names[i] + "=" + std::string(texts[i]);
    return true;
  }
  const auto segments = segments_of(path);
  const bool is_prefix = pattern.kind == PathPattern::Kind::prefix;
  if (segments.size() < pattern.segments.size() || (!is_prefix && segments.size() > pattern.segments.size()))
    return false;
  const auto add = [&](const std::string& name, const std::string& value) {
    captures += (captures.empty() ? "" : " ") + name + "=" + value;
  };
  for (std::size_t i = 0; i < pattern.segments.size(); ++i) {
    const PathSegment& one = pattern.segments[i];
    if (one.is_parameter ? segments[i].empty() : segments[i] != one.text) return false;
    if (is_prefix && !one.is_parameter) --literals;
    shape += one.is_parameter ? '2' : '1';
    if (one.is_parameter) add(one.text, segments[i]);
  }
  shape += '3';
  if (is_prefix && !pattern.rest_name.empty()) {
    std::string rest;
    for (std::size_t i = pattern.segments.size(); i < segments.size(); ++i)
      rest += (i > pattern.segments.size() ? "/" : "") + segments[i];
    add(pattern.rest_name, rest);
  }
  return true;
}

inline Found match(std::span<const Rule> rules, const http::Request& request) {
  const std::string host(request.host), path(request.path);
  Found best;
  std::optional<Key> best_key;
  for (const Rule& rule : rules) {
    const MatchConfig& wanted = *rule.match;
    if (!conditions_hold(wanted, request)) continue;
    for (std::size_t h = 0; h < std::max<std::size_t>(1, wanted.host.size()); ++h)
      for (std::size_t p = 0; p < std::max<std::size_t>(1, wanted.path.size()); ++p) {
        int host_key = 2000, kind = 9, literals = 0;
        std::string shape, captures;
        if (!wanted.host.empty() && !host_holds(wanted.host[h], host, host_key)) continue;
        if (!wanted.path.empty() && !path_holds(wanted.path[p], path, kind, literals, shape, captures)) continue;
        const Key key{host_key,
                      kind,
                      literals,
                      shape,
                      wanted.method.empty(),
                      -static_cast<int>(wanted.header.list.size()),
                      -static_cast<int>(wanted.query.list.size()),
                      rule.route,
                      p};
        if (best_key && !(key < *best_key)) continue;
        best_key = key;
        best = {static_cast<int>(rule.route), captures};
      }
  }
  return best;
}

}  // namespace sluice::route::plain
