#include "route/witness.h"

#include <array>
#include <optional>
#include <vector>

#include "base/arena.h"
#include "http/message.h"
#include "route/conditions.h"
#include "route/pattern_match.h"

namespace sluice::route {
namespace {

// What may stand where a regex has no literal: the first that fits is taken.
constexpr std::array<std::string_view, 16> guesses{
    "",    "1",   "a",    "ab", "x1", "12",     "a/b",  "1/a",
    "a-b", "abc", "2024", "A",  "/",  "a.html", "v1/a", "00000000-0000-0000-0000-000000000000"};

std::optional<std::string> sample_regex(const Regex& regex) {
  const std::string literal = literal_beginning(regex.text());
  for (const std::string_view guess : guesses)
    if (regex.matches(literal + std::string(guess))) return literal + std::string(guess);
  return std::nullopt;
}

std::optional<std::string> sample_path(const PathPattern* path) {
  if (path == nullptr) return "/";
  if (path->kind == PathPattern::Kind::exact) return path->text;
  if (path->kind == PathPattern::Kind::regex) return sample_regex(*path->regex);
  std::string made;
  for (const PathSegment& segment : path->segments) (made += '/') += segment.is_parameter ? "1" : segment.text;
  return made.empty() ? "/" : made;
}

std::string sample_host(const HostPattern* host) {
  if (host == nullptr) return "example.com";
  return (host->is_wildcard ? "www." : "") + host->name;
}

std::optional<std::string> sample_value(const StringMatch& match) {
  switch (match.kind) {
    case StringMatch::Kind::regex:
      return sample_regex(*match.regex);
    case StringMatch::Kind::present:
      return "1";
    default:
      return match.text;
  }
}

// Form encoding of all that is not a letter, a digit, `-`, `.` or `_`.
std::string encode(std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string made;
  for (const char c : text) {
    const bool is_plain =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_';
    const auto byte = static_cast<unsigned char>(c);
    if (is_plain) {
      made += c;
    } else {
      ((made += '%') += digits[byte >> 4]) += digits[byte & 15];
    }
  }
  return made;
}

// A sample as text and as the request that the predicates are asked about.
class Sample {
 public:
  bool build(const Alternative& of) {
    const auto path = sample_path(of.path);
    if (!path || !path->starts_with('/')) return false;
    method_ = of.match->method.empty() ? "GET" : of.match->method.front().name;
    host_ = sample_host(of.host);
    path_ = *path;
    for (const NamedMatch& one : of.match->query.list) {
      if (one.match.kind == StringMatch::Kind::absent) continue;
      const auto value = sample_value(one.match);
      if (!value) return false;
      (((query_ += query_.empty() ? "" : "&") += encode(one.name)) += '=') += encode(*value);
    }
    for (const NamedMatch& one : of.match->header.list) {
      if (one.match.kind == StringMatch::Kind::absent) continue;
      const auto value = sample_value(one.match);
      if (!value) return false;
      fields_.emplace_back(one.name, *value);
    }
    fill_request();
    return true;
  }

  bool matches(const Alternative& one) {
    return host_matches(one.host, request_.host) && path_matches(one.path, request_) &&
           Conditions(*one.match).hold(request_, arena_);
  }

  std::string text() const {
    std::string made = "`" + method_ + " http://" + host_ + path_;
    if (!query_.empty()) (made += '?') += query_;
    made += '`';
    const char* separator = " with ";
    for (const auto& [name, value] : fields_) {
      made += separator + ("`" + name) + ": " + value + "`";
      separator = ", ";
    }
    return made;
  }

 private:
  void fill_request() {
    request_.method = http::method_of(method_);
    request_.method_name = method_;
    request_.authority = request_.host = host_;
    request_.path = path_;
    request_.query = query_;
    request_.has_query = !query_.empty();
    for (std::size_t at = 0; at != std::string::npos;) {
      const std::size_t end = path_.find('/', at + 1);
      segments_.push_back(std::string_view(path_).substr(at + 1, end == std::string::npos ? end : end - at - 1));
      at = end;
    }
    request_.segments = segments_;
    for (const auto& [name, value] : fields_) request_.fields.add(arena_, name, value);
  }

  Arena arena_;
  std::string method_, host_, path_, query_;
  std::vector<std::pair<std::string, std::string>> fields_;
  std::vector<std::string_view> segments_;
  http::Request request_;
};

}  // namespace

std::string witness(const Alternative& narrow, const Alternative& wide) {
  Sample sample;
  if (!sample.build(narrow) || !sample.matches(narrow) || !sample.matches(wide)) return {};
  return sample.text();
}

}  // namespace sluice::route
