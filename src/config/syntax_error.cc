#include "config/syntax_error.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"

namespace sluice::config {
namespace {

enum class At : std::uint8_t { problem, context };  // which of libyaml's two marks shows the mistake best

struct Rewording {
  std::string_view problem;  // libyaml's text
  std::string_view context;  // a part of libyaml's context; "": any
  At at;
  const char* code;
  const char* what;
  const char* want;
  const char* help;
};

// First match holds. A note names the other mark where both are useful.
constexpr Rewording rewordings[] = {
    {"could not find expected ':'", "", At::context, "missing_colon", "there is no ':' after this key",
     "want `key: value`", "write a colon and a space after the key"},
    {"found unexpected end of stream", "quoted scalar", At::context, "unclosed_quote", "this quote is never closed", "",
     "close it with the same quote character"},
    {"found unexpected document indicator", "quoted scalar", At::context, "unclosed_quote",
     "this quote is never closed", "", "close it with the same quote character"},
    {"found unknown escape character", "", At::problem, "unknown_escape", "unknown escape in a double-quoted text", "",
     "double the backslash, or use single quotes: they have no escapes"},
    {"did not find expected hexdecimal number", "", At::problem, "unknown_escape",
     "an escape in a double-quoted text needs hexadecimal digits", "", "write \\xNN or \\uNNNN"},
    {"found invalid Unicode character escape code", "", At::problem, "unknown_escape",
     "an escape in a double-quoted text is no Unicode character", "", ""},
    {"did not find expected ',' or ']'", "", At::context, "unclosed_bracket",
     "this '[' is not closed, or a ',' is missing in it", "",
     "write items as [a, b, c]; quote an item with ': ' or ','"},
    {"did not find expected ',' or '}'", "", At::context, "unclosed_bracket",
     "this '{' is not closed, or a ',' is missing in it", "",
     "write entries as {a: 1, b: 2}; quote a text that begins with '{'"},
    {"did not find expected key", "", At::problem, "bad_indentation", "this does not line up with the keys above", "",
     "indent it like the other keys of its map, with spaces"},
    {"did not find expected '-' indicator", "", At::problem, "bad_indentation",
     "this does not line up with the list above", "", "begin it with '- ' as the other items do, or indent it more"},
    {"block sequence entries are not allowed in this context", "", At::problem, "unexpected_item",
     "a list item cannot stand here", "", "put the first '- ' on a line of its own, below the key"},
    {"mapping keys are not allowed in this context", "", At::problem, "unexpected_key", "a '?' key cannot stand here",
     "", "quote a text that begins with '? '"},
    {"did not find expected alphabetic or numeric character", "an alias", At::context, "unquoted_star",
     "a plain text cannot begin with '*'", "want \"*...\" in quotes", "quote it: \"*.example.com\""},
    {"did not find expected alphabetic or numeric character", "an anchor", At::context, "unquoted_ampersand",
     "a plain text cannot begin with '&'", "want \"&...\" in quotes", "quote it"},
    {"found character that cannot start any token", "", At::problem, "unexpected_character",
     "a plain text cannot begin with this character", "", "quote the whole text"},
    {"did not find expected node content", "", At::problem, "missing_value", "a value is missing here", "",
     "check for a stray ',' or an unclosed bracket before this place"},
    {"did not find expected <document start>", "", At::problem, "bad_indentation",
     "this does not belong to what stands above", "", "indent it like the other keys of its map, with spaces"},
    {"found a tab character", "", At::problem, "tab_indentation", "a tab is used for indentation", "",
     "indent with spaces"},
    {"found undefined tag handle", "", At::problem, "tag", "tags are not supported", "",
     "remove it, or quote a text that begins with '!'"},
    {"", "tag", At::context, "tag", "tags are not supported", "", "remove it, or quote a text that begins with '!'"},
    {"found incompatible YAML document", "", At::problem, "yaml_version", "only YAML 1.1 and 1.2 are read", "",
     "remove the %YAML line"},
    {"did not find expected comment or line break", "block scalar", At::problem, "block_text",
     "text cannot begin on the line of '|' or '>'", "", "begin it on the next line, or quote it"},
};

constexpr Rewording fallback = {"", "", At::problem, "syntax", "", "", "check the YAML at this place"};

Place place_of(const yaml_mark_t& mark, std::uint16_t file) {
  return {static_cast<std::uint32_t>(mark.line + 1), static_cast<std::uint32_t>(mark.column + 1), file, 1};
}

// The text from the first character of the line that `at` lies in.
std::string_view line_at(std::string_view text, std::size_t at) {
  const std::size_t begin = at == 0 ? 0 : text.find_last_of("\r\n", at - 1) + 1;  // npos + 1 is 0
  const std::size_t end = text.find_first_of("\r\n", begin);
  return text.substr(begin, end == std::string_view::npos ? end : end - begin);
}

std::string_view numbered_line(std::string_view text, std::uint32_t line) {
  std::size_t at = 0;
  for (std::uint32_t i = 1; i < line; ++i) {
    at = text.find('\n', at);
    if (at == std::string_view::npos) return {};
    ++at;
  }
  return line_at(text, at);
}

// What libyaml says alike and people do apart: told by the characters around the place.
constexpr Rewording colon_in_text = {
    "", "", At::problem, "unexpected_colon", "a second ': ' on one line", "", "quote the text that contains ': '"};
constexpr Rewording deeper_key = {"",
                                  "",
                                  At::problem,
                                  "bad_indentation",
                                  "this key is indented, but the line above ends its value",
                                  "",
                                  "indent it like the other keys of its map, or remove the value above"};
constexpr Rewording key_without_colon = {"",
                                         "",
                                         At::problem,
                                         "missing_colon",
                                         "there is no ':' after this key",
                                         "want `key: value`",
                                         "write a colon and a space after the key"};
constexpr Rewording stray_bracket = {
    "", "", At::problem, "unexpected_bracket", "this bracket closes nothing", "", "remove it, or open it before"};
constexpr Rewording stray_text = {"",
                                  "",
                                  At::problem,
                                  "unexpected_text",
                                  "nothing may follow the value here",
                                  "",
                                  "quote the whole value; inside single quotes write '' for a quote"};
constexpr Rewording unquoted_bracket = {"",
                                        "",
                                        At::problem,
                                        "unquoted_bracket",
                                        "a text inside brackets cannot hold this character",
                                        "",
                                        "quote the whole text: \"/users/{id}\""};
constexpr Rewording no_key = {
    "", "", At::problem, "empty_key", "there is no key before this ':'", "", "write `key: value`"};

std::string_view trimmed(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  return line;
}

// A ':' where none may be: a text with a colon in it, a key below a finished value, or a key above without its colon.
const Rewording& explain_colon(std::string_view text, Place& place) {
  const std::string_view before = numbered_line(text, place.line).substr(0, place.column - 1);
  if (before.find(": ") != std::string_view::npos) return colon_in_text;
  std::uint32_t above = place.line;
  std::string_view line;
  while (above > 1 && (line = trimmed(numbered_line(text, --above)), line.empty() || line[0] == '#')) {
  }
  if (line.empty() || line.find(": ") != std::string_view::npos || line.ends_with(':') || line[0] == '-')
    return deeper_key;
  place = {above, static_cast<std::uint32_t>(numbered_line(text, above).size() - line.size() + 1), place.file, 1};
  return key_without_colon;
}

const Rewording& rewording_of(std::string_view problem, std::string_view context, std::string_view text, Place& place) {
  if (problem == "mapping values are not allowed in this context") return explain_colon(text, place);
  if (problem.starts_with("did not find expected ',' or")) {
    // `{path: /users/{id}}`: a bracket right behind other text.
    const std::string_view line = numbered_line(text, place.line);
    const std::size_t at = place.column - 1;
    const bool opens = at > 0 && at < line.size() && (line[at] == '{' || line[at] == '[');
    if (opens && std::string_view(" \t,:[{\"'").find(line[at - 1]) == std::string_view::npos) return unquoted_bracket;
  }
  if (problem == "did not find expected key") {
    const std::string_view line = numbered_line(text, place.line);
    const std::string_view rest = line.substr(std::min<std::size_t>(place.column - 1, line.size()));
    if (rest.starts_with(']') || rest.starts_with('}')) return stray_bracket;
    if (rest.starts_with(':')) return no_key;
    if (trimmed(line).size() > rest.size()) return stray_text;
  }
  for (const Rewording& row : rewordings)
    if (problem.starts_with(row.problem) && context.find(row.context) != std::string_view::npos) return row;
  return fallback;
}

// A tab in the white space that begins a line explains nearly every other complaint about that line.
bool report_tab(std::string_view text, Place place, Diagnostics& diagnostics) {
  const std::string_view line = numbered_line(text, place.line);
  const std::size_t blank = std::min(line.find_first_not_of(" \t"), line.size());
  const std::size_t tab = line.substr(0, blank).find('\t');
  if (tab == std::string_view::npos) return false;
  place.column = static_cast<std::uint32_t>(tab + 1);
  auto& added = diagnostics.error(place, "tab_indentation", "", "a tab is used for indentation");
  added.want = "want spaces";
  added.help = "indent with spaces; YAML does not allow tabs there";
  return true;
}

struct BadCharacter {
  const char* code;
  std::string what;
  const char* help;
};

BadCharacter explain(Utf8Char c, unsigned char byte) {
  if (!c.valid) return {"not_utf8", fmt::format("byte 0x{:02x} is not UTF-8", byte), "save the file as UTF-8"};
  if (c.code == 0) return {"nul_byte", "a NUL byte", "save the file as UTF-8 text; this looks like binary or UTF-16"};
  return {"control_character", fmt::format("the control character U+{:04X}", std::uint32_t{c.code}),
          "remove it, or write it as an escape in double quotes"};
}

// What YAML admits in a stream. Source: YAML 1.2 production [1] c-printable.
bool is_printable(char32_t c) {
  if (c < 0x20) return c == '\t' || c == '\n' || c == '\r';
  return c != 0x7f && (c < 0x80 || c > 0x9f || c == 0x85) && c != 0xfeff && c != 0xfffe && c != 0xffff;
}

}  // namespace

bool check_characters(std::string_view text, std::uint16_t file, Diagnostics& diagnostics) {
  Place place{.line = 1, .column = 1, .file = file, .width = 1};
  bool after_return = false;
  for (std::size_t at = 0; at < text.size();) {
    const char byte = text[at];
    if (byte >= 0x20 && byte < 0x7f) {  // nearly all of every file
      ++at, ++place.column;
      after_return = false;
      continue;
    }
    const Utf8Char c = decode_utf8(text.substr(at));
    if (!c.valid || !is_printable(c.code)) {
      BadCharacter bad = explain(c, static_cast<unsigned char>(byte));
      diagnostics.error(place, bad.code, "", std::move(bad.what)).help = bad.help;
      return false;
    }
    at += c.size;
    ++place.column;
    const bool is_break = c.code == '\n' || c.code == '\r' || c.code == 0x85 || c.code == 0x2028 || c.code == 0x2029;
    if (is_break) place.column = 1;
    if (is_break && !(c.code == '\n' && after_return)) ++place.line;
    after_return = c.code == '\r';
  }
  return true;
}

void report_syntax_error(const yaml_parser_t& parser, std::uint16_t file, Diagnostics& diagnostics) {
  const std::string_view problem = parser.problem != nullptr ? parser.problem : "unreadable";
  const std::string_view context = parser.context != nullptr ? parser.context : "";
  const std::string_view text = diagnostics.source_text(file);
  Place problem_place = place_of(parser.problem_mark, file);
  if (report_tab(text, problem_place, diagnostics)) return;

  const Rewording& row = rewording_of(problem, context, text, problem_place);
  const bool at_context = row.at == At::context && !context.empty();
  const Place place = at_context ? place_of(parser.context_mark, file) : problem_place;
  auto& added = diagnostics.error(place, row.code, "", *row.what != 0 ? row.what : std::string(problem));
  added.want = row.want;
  added.help = row.help;
  const bool is_indentation = std::string_view(row.code) == "bad_indentation";
  if (is_indentation && context.find("block mapping") != std::string_view::npos)
    added.notes.push_back({"the map begins here", place_of(parser.context_mark, file)});
  if (is_indentation && context.find("block collection") != std::string_view::npos)
    added.notes.push_back({"the list begins here", place_of(parser.context_mark, file)});
  if (std::string_view(row.code) == "unclosed_bracket" && !(problem_place == place))
    added.notes.push_back({"noticed here", problem_place});
}

}  // namespace sluice::config
