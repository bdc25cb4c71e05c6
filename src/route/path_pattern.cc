// Reading `path:`. Literals are brought into the canonical form of requests by the same function that requests go
// through.

#include <algorithm>
#include <array>

#include "http/canonical.h"
#include "route/config.h"
#include "route/regex_fault.h"

namespace sluice::route {

using config::Node;
using config::ReadContext;

void report_regex_fault(const Node& node, const RegexFault& fault, ReadContext& context) {
  auto& added = context.error(node, fault.is_too_large ? "regex_too_large" : "bad_regex", fault.what);
  if (fault.is_too_large) {
    added.want = "want a regex that compiles within 8 MiB and has at most 32 groups";
    return;
  }
  added.want = "want an RE2 regular expression";
  if (fault.fragment.starts_with("(?") || fault.fragment.starts_with("\\"))
    added.help = "RE2 has no look-around and no back-references: it matches in linear time";
  if (fault.fragment == "*") added.help = "`.*` stands for any text; it is no shell pattern";
  const std::size_t at = fault.fragment.empty() ? std::string::npos : node.text().find(fault.fragment);
  // Only where the file shows the text as it is, without escapes or line breaks, columns can be counted.
  const std::size_t quotes = node.is_quoted() ? 2 : 0;
  if (at == std::string::npos || added.place.width != node.text().size() + quotes) return;
  added.place.column += static_cast<std::uint32_t>(at + quotes / 2);
  added.place.width = static_cast<std::uint16_t>(fault.fragment.size());
}

namespace {

constexpr std::size_t max_name_bytes = 64;

bool is_name(std::string_view text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto is_good = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= max_name_bytes && is_letter(text.front()) &&
         std::ranges::all_of(text, is_good);
}

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::size_t end = std::min(path.find('/'), path.size());
    segments.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return segments;
}

// In a config a path may be written as people read it; in a request it is ASCII.
std::string encode_non_ascii(std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      encoded += c;
    } else {
      ((encoded += '%') += digits[byte >> 4]) += digits[byte & 15];
    }
  }
  return encoded;
}

// One reading of one pattern. Every step says what is wrong and returns false.
class PathReader {
 public:
  PathReader(const Node& node, ReadContext& context) : node_(node), context_(context) { made_.place = node.place(); }

  bool read(PathPattern& out) {
    if (!(node_.is_map() ? read_regex() : read_text())) return false;
    out = std::move(made_);
    return true;
  }

 private:
  bool refuse(std::string what, std::string help) {
    auto& added = context_.error(node_, "bad_path", std::move(what));
    added.want = "want a path like `/a/b`, `/a/*`, `/a/{id}`, `/a/{rest*}`, or `{regex: ..}`";
    added.help = std::move(help);
    return false;
  }

  bool read_text() {
    std::string text;
    if (!config::read_text(node_, text, context_)) return false;
    if (!text.starts_with('/')) return refuse("a path starts with `/`", text.empty() ? "" : "write /" + text);
    if (text.contains('?')) return refuse("the query is no part of the path", "write a `query` condition");
    const auto raw = split(text);
    if (raw.size() > max_path_segments) return refuse("more than 128 segments", "");
    for (std::size_t i = 0; i < raw.size(); ++i)
      if (!read_segment(raw[i], i + 1 == raw.size())) return false;
    if (!make_canonical()) return false;
    finish();
    return true;
  }

  bool read_segment(std::string_view raw, bool is_last) {
    if (raw == "*") {
      made_.kind = PathPattern::Kind::prefix;
      return is_last || refuse("`*` stands for the rest of the path and must be the last segment",
                               "for one segment write `{name}`; for more use {regex: ..}");
    }
    if (raw.starts_with('{') && raw.ends_with('}')) return read_parameter(raw.substr(1, raw.size() - 2), is_last);
    if (raw.contains('{') || raw.contains('}'))
      return refuse("a parameter is a whole segment: `" + std::string(raw) + "`",
                    "use {regex: ..} for a part of a segment");
    if (raw.contains('*'))
      return refuse("`*` must be a segment of its own: `" + std::string(raw) + "`",
                    "write `/*` at the end for all below, or use {regex: ..}");
    made_.segments.emplace_back(encode_non_ascii(raw), false);
    return true;
  }

  bool read_parameter(std::string_view name, bool is_last) {
    const bool is_rest = name.ends_with('*');
    if (is_rest) name.remove_suffix(1);
    if (!is_name(name))
      return refuse("`" + std::string(name) + "` is no name for a parameter",
                    "use letters, digits and `_`, not a digit first");
    const bool is_taken = std::ranges::any_of(
        made_.segments, [&](const PathSegment& segment) { return segment.is_parameter && segment.text == name; });
    if (is_taken) return refuse("the parameter `" + std::string(name) + "` is there twice", "give each its own name");
    if (is_rest) {
      made_.kind = PathPattern::Kind::prefix;
      made_.rest_name = name;
      return is_last ||
             refuse("`{" + std::string(name) + "*}` stands for the rest of the path and must be the last segment", "");
    }
    if (made_.kind == PathPattern::Kind::exact) made_.kind = PathPattern::Kind::template_;
    made_.segments.emplace_back(std::string(name), true);
    return true;
  }

  // Sends the path, with `x` for each parameter, through what requests go through. Segments must stay what they are.
  bool make_canonical() {
    if (made_.segments.empty()) return true;  // `/*`
    std::string plain;
    for (const PathSegment& segment : made_.segments) (plain += '/') += segment.is_parameter ? "x" : segment.text;
    Arena arena;
    const auto canonical = http::canonicalise_path(plain, arena);
    if (!canonical)
      return refuse(std::string("no request has this path: ") + canonical.error().detail, "percent-encode it");
    bool is_same = canonical->segments.size() == made_.segments.size();
    for (std::size_t i = 0; is_same && i < made_.segments.size(); ++i)
      is_same = canonical->segments[i].empty() == made_.segments[i].text.empty();
    if (!is_same) {
      const bool has_parameters = made_.kind != PathPattern::Kind::exact;
      return refuse("no request has this path: empty, `.` and `..` segments are resolved before routes are asked",
                    has_parameters ? "leave them out" : "write " + std::string(canonical->path));
    }
    for (std::size_t i = 0; i < made_.segments.size(); ++i)
      if (!made_.segments[i].is_parameter) made_.segments[i].text = canonical->segments[i];
    return true;
  }

  void finish() {
    for (const PathSegment& segment : made_.segments)
      made_.text += segment.is_parameter ? "/{" + segment.text + "}" : "/" + segment.text;
    if (made_.kind == PathPattern::Kind::prefix)
      made_.text += made_.rest_name.empty() ? "/*" : "/{" + made_.rest_name + "*}";
    if (made_.kind == PathPattern::Kind::exact) made_.segments = {};  // compared as one text
  }

  bool read_regex() {
    static constexpr std::array<std::string_view, 1> keys{"regex"};
    made_.kind = PathPattern::Kind::regex;
    for (const auto& [key, value] : node_.entries()) {
      if (key.text() == "prefix" || key.text() == "exact")
        return refuse("a path is written as text", "`/a/b` is exact, `/a/*` a prefix");
      if (key.text() != "regex") return context_.unknown_key(key, keys), false;
    }
    if (node_.entries().empty()) return refuse("the regex is missing", "");
    const Node& value = node_.entries().front().value;
    const auto step = context_.step("regex");
    if (!config::read_text(value, made_.text, context_)) return false;
    if (made_.text.empty()) return refuse("the regex is empty", "to match every path leave `path` out");
    if (std::ranges::any_of(made_.text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }))
      return refuse("paths are ASCII when regexes are asked",
                    "write other characters percent-encoded, as in " + encode_non_ascii("\xc3\xa9") + " for \xc3\xa9");
    RegexFault fault;
    made_.regex = Regex::make(made_.text, RegexSubject::path, fault);
    if (made_.regex == nullptr) return report_regex_fault(value, fault, context_), false;
    return check_beginning();
  }

  // A regex over paths that no request can have is a mistake worth a word.
  bool check_beginning() {
    const std::string literal = literal_beginning(made_.text);
    if (!literal.empty() && !literal.starts_with('/'))
      return refuse("this regex never matches: a path starts with `/`", "write /" + made_.text);
    const std::string whole = literal_segments(made_.text);
    if (whole.empty()) return true;
    Arena arena;
    const auto canonical = http::canonicalise_path(whole, arena);
    if (!canonical) return refuse(std::string("this regex never matches: ") + canonical.error().detail, "");
    if (canonical->path != whole)
      return refuse("this regex never matches: paths are canonical before routes are asked",
                    "begin it with " + std::string(canonical->path));
    return true;
  }

  const Node& node_;
  ReadContext& context_;
  PathPattern made_;
};

}  // namespace

bool PathPattern::read(const Node& node, PathPattern& out, ReadContext& context) {
  return PathReader(node, context).read(out);
}

void PathPattern::schema(config::SchemaWriter& schema) {
  schema.any_of({[&] { schema.pattern("^/"); },
                 [&] {
                   schema.object(true, [&] {
                     schema.property("regex", "RE2 regular expression that the whole path matches.",
                                     [&] { schema.text(); });
                   });
                 }});
}

void PathPattern::dump(const PathPattern& value, config::JsonWriter& json) {
  if (value.kind != Kind::regex) return json.text(value.text);
  json.begin_object();
  json.member("regex", value.text);
  json.end_object();
}

}  // namespace sluice::route
